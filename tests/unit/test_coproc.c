/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_coproc.c: the shell's persistent virsh, without a terminal around it */

#include <config.h>

#include "virsh-ext/coproc.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static VextCoproc *start(const char *opt1, const char *opt2, VextCoprocState *state)
{
    char *argv[] = { (char *)"virsh", (char *)opt1, (char *)opt2, NULL };
    g_auto(GStrv) env = g_get_environ();
    VextBuf banner = { 0 };
    VextCoproc *co = vext_coproc_start(VIRSH_PATH, argv, env, -1, &banner, state);

    g_assert_nonnull(co);
    g_assert_cmpint(banner.len, >, 0);
    g_assert_null(memmem(banner.data, banner.len, "VIRSH_HISTSIZE", 14));
    vext_buf_clear(&banner);
    return co;
}

static VextCoproc *start_ready(void)
{
    VextCoprocState state;
    VextCoproc *co = start("-c", "test:///default", &state);

    g_assert_cmpint(state, ==, VEXT_COPROC_READY);
    return co;
}

/* Runs a line and compares all that it prints. */
static void expect(VextCoproc *co, const char *line, const char *output)
{
    VextBuf buf = { 0 };

    g_assert_cmpint(vext_coproc_run(co, line, NULL, &buf), ==, VEXT_COPROC_READY);
    vext_buf_add(&buf, "", 1);
    g_assert_cmpstr(buf.data, ==, output);
    vext_buf_clear(&buf);
}

static void test_lines(void)
{
    VextCoproc *co = start_ready();

    expect(co, "echo a b", "a b\n");
    expect(co, "", "");
    expect(co, "list", " Id   Name   State\n----------------------\n 1    test   running\n\n");
    expect(co, "echo a; echo b", "a\nb\n");
    g_assert_false(vext_coproc_readonly(co));
    vext_coproc_free(co);
}

static void test_bytes(void)
{
    g_autofree char *big = g_strnfill(100000, 'x');
    g_autofree char *line = g_strdup_printf("echo %s", big);
    g_autofree char *output = g_strdup_printf("%s\n", big);
    VextCoproc *co = start_ready();

    /* keys of readline's are data; so is what is longer than a line of the terminal */
    expect(co, "echo 'a\tb\001\002\003\004\x0b\x12\x15\x16\x17\x18\x1a\x1b[A\x7f'",
           "a\tb\001\002\003\004\x0b\x12\x15\x16\x17\x18\x1a\x1b[A\x7f\n");
    expect(co, "echo 'a\nb'", "a\nb\n");
    expect(co, "echo \xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac\n");
    expect(co, line, output);
    vext_coproc_free(co);
}

static void test_prompt_in_output(void)
{
    VextCoproc *co = start_ready();

    /* often: the real prompt may come while the wrong one is looked at */
    for (int i = 0; i < 300; i++)
        expect(co, "echo 'virsh # '", "virsh # \n");
    expect(co, "echo --xml 'virsh > '", "virsh &gt; \n");
    expect(co, "echo 'a\nvirsh # \nb'", "a\nvirsh # \nb\n");
    vext_coproc_free(co);
}

static void test_silent(void)
{
    VextCoproc *co = start_ready();
    VextBuf buf = { 0 };
    bool silent;

    vext_coproc_run(co, "connect test:///default --readonly", &silent, &buf);
    g_assert_true(silent);
    g_assert_true(vext_coproc_readonly(co));
    vext_coproc_run(co, "connect bogus:///", &silent, &buf);
    g_assert_false(silent);
    vext_buf_clear(&buf);
    vext_coproc_free(co);
}

static void test_cwd(void)
{
    g_autofree char *dir = g_dir_make_tmp("coproc-XXXXXX", NULL);
    g_autofree char *line = g_strdup_printf("cd %s", dir);
    VextCoproc *co = start_ready();
    char *cwd;

    expect(co, line, "\n");
    cwd = vext_coproc_cwd(co);
    g_assert_cmpstr(cwd, ==, dir);
    free(cwd);
    vext_coproc_free(co);
    g_rmdir(dir);
}

static void test_complete(void)
{
    VextCoproc *co = start_ready();
    VextStrv out = { 0 };

    expect(co, "list", " Id   Name   State\n----------------------\n 1    test   running\n\n");
    g_assert_cmpint(vext_coproc_complete(co, "dominfo t", &out), ==, VEXT_COPROC_READY);
    g_assert_cmpint(out.n, ==, 1);
    g_assert_cmpstr(out.items[0], ==, "test");
    vext_strv_clear(&out);

    vext_coproc_complete(co, "dom", &out);
    g_assert_true(vext_strv_has(&out, "dominfo"));
    g_assert_true(vext_strv_has(&out, "domstate"));
    vext_strv_clear(&out);

    vext_coproc_complete(co, "no-such-command-", &out);
    g_assert_cmpint(out.n, ==, 0);
    vext_strv_clear(&out);

    expect(co, "echo still here", "still here\n");
    vext_coproc_free(co);
}

static void test_quit(void)
{
    VextCoproc *co = start_ready();
    VextBuf buf = { 0 };

    g_assert_cmpint(vext_coproc_run(co, "quit; echo no", NULL, &buf), ==, VEXT_COPROC_ENDED);
    g_assert_true(WIFEXITED(vext_coproc_status(co)));
    g_assert_cmpint(WEXITSTATUS(vext_coproc_status(co)), ==, 0);
    g_assert_cmpint(vext_coproc_run(co, "echo no", NULL, &buf), ==, VEXT_COPROC_ENDED);
    vext_buf_clear(&buf);
    vext_coproc_free(co);
}

static void test_ends_at_once(void)
{
    VextCoprocState state;
    VextCoproc *co = start("-c", "bogus:///", &state);

    g_assert_cmpint(state, ==, VEXT_COPROC_ENDED);
    g_assert_true(WIFEXITED(vext_coproc_status(co)));
    g_assert_cmpint(WEXITSTATUS(vext_coproc_status(co)), ==, 1);
    vext_coproc_free(co);
}

static void test_cannot_run(void)
{
    char *argv[] = { (char *)"virsh", NULL };
    VextCoprocState state;

    g_assert_null(vext_coproc_start("/nonexistent/virsh", argv, argv, -1, NULL, &state));
    g_assert_cmpint(errno, ==, ENOENT);
}

static void test_killed(void)
{
    VextCoproc *co = start_ready();
    VextBuf buf = { 0 };
    g_autofree char *cmd = NULL;
    bool printed;
    int fds[2];

    /* nothing of the public interface tells its pid */
    cmd = g_strdup_printf("pkill -9 -P %d -x virsh", getpid());
    g_assert_true(g_spawn_command_line_sync(cmd, NULL, NULL, NULL, NULL));
    vext_coproc_fds(co, fds);
    for (int i = 0; i < 1000 && vext_coproc_idle(co, &printed) != VEXT_COPROC_ENDED; i++)
        poll(NULL, 0, 10);
    g_assert_cmpint(vext_coproc_run(co, "echo a", NULL, &buf), ==, VEXT_COPROC_ENDED);
    g_assert_true(WIFSIGNALED(vext_coproc_status(co)));
    g_assert_cmpint(WTERMSIG(vext_coproc_status(co)), ==, SIGKILL);
    vext_buf_clear(&buf);
    vext_coproc_free(co);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (access(VIRSH_PATH, X_OK) != 0) {
        g_print("1..0 # SKIP no virsh\n");
        return 0;
    }
    g_test_add_func("/coproc/lines", test_lines);
    g_test_add_func("/coproc/any-bytes", test_bytes);
    g_test_add_func("/coproc/prompt-in-output", test_prompt_in_output);
    g_test_add_func("/coproc/silent-and-readonly", test_silent);
    g_test_add_func("/coproc/folder", test_cwd);
    g_test_add_func("/coproc/completion", test_complete);
    g_test_add_func("/coproc/quit", test_quit);
    g_test_add_func("/coproc/ends-at-once", test_ends_at_once);
    g_test_add_func("/coproc/cannot-run", test_cannot_run);
    g_test_add_func("/coproc/killed", test_killed);
    return g_test_run();
}
