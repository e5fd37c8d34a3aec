/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_daemon_log.c: what --daemon-log adds to a daemon's log settings and takes out again
 */
#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "plugin/admin/log-owner.h"
#include "plugin/admin/log-settings.h"

#define FILE_NAME "/var/log/a*b?c'd%e+\303\244"

/* As libvirt tells what it was given: virLogFilterNew() in its virlog.c. */
static char *told(const char *given)
{
    g_auto(GStrv) words = g_strsplit(given, " ", -1);
    GString *text = g_string_new(NULL);

    for (gsize i = 0; words[i]; i++) {
        const char *name = strchr(words[i], ':');

        if (name++)
            g_string_append_printf(text, "%.*s*%s* ", (int) (name - words[i]), words[i],
                                   name + (*name == '+'));
    }
    return g_string_free(text, FALSE);
}

/* What the daemon tells when it is given @s, as settings. */
static void through_daemon(const LogSettings *s, LogSettings *back)
{
    g_autofree char *filters = log_settings_filters(s), *outputs = log_settings_outputs(s);
    g_autofree char *answer = told(filters);

    log_settings_parse(back, answer, outputs);
}

static void assert_same(const LogSettings *a, const LogSettings *b)
{
    g_autofree char *fa = log_settings_filters(a), *fb = log_settings_filters(b);
    g_autofree char *oa = log_settings_outputs(a), *ob = log_settings_outputs(b);

    g_assert_cmpstr(fa, ==, fb);
    g_assert_cmpstr(oa, ==, ob);
}

static void what_is_added_is_taken_out(void)
{
    static const char *const filters[] = {
        "", "1:*", "1:**", "4:++", "3:+*+", "1:*rpc*", "2:r?c 1:qemu.qemu_block",
        "1:qemu.qemu_driver 1:qemu.qemu_driver", "4:virsh-ext-log/ 4:virsh-ext-log",
    };
    g_autofree char *one = log_mark_new("1.2.3", FILE_NAME), *two = log_mark_new("1.2.4", "/b");

    for (gsize i = 0; i < G_N_ELEMENTS(filters); i++) {
        g_auto(LogSettings) before = { NULL, NULL }, s = { NULL, NULL }, t = { NULL, NULL };
        g_autofree char *text = told(filters[i]);

        log_settings_parse(&before, text, "3:stderr 1:file:/b/c");
        through_daemon(&before, &s);
        assert_same(&s, &before);
        log_settings_add(&s, one);
        log_settings_add(&s, two);
        through_daemon(&s, &t);
        assert_same(&s, &t);
        g_assert_cmpstr(log_settings_output_to(&t, FILE_NAME), ==, "1:file:" FILE_NAME);
        g_assert_true(log_settings_take(&t, one));
        g_assert_null(log_settings_output_to(&t, FILE_NAME));
        g_assert_false(log_settings_take(&t, one));
        g_assert_true(log_settings_take(&t, two));
        assert_same(&t, &before);
    }
}

static void a_mark_says_whose_it_is_and_of_which_file(void)
{
    g_autofree char *mark = log_mark_new("1.2.3", FILE_NAME);
    g_autofree char *owner = log_mark_owner(mark), *file = log_mark_file(mark);
    g_auto(LogSettings) s = { NULL, NULL };
    g_autoptr(GPtrArray) marks = NULL;

    g_assert_cmpstr(owner, ==, "1.2.3");
    g_assert_cmpstr(file, ==, FILE_NAME);
    g_assert_null(strpbrk(mark + 2, " :*?"));
    /* virt-admin's words set again have more stars */
    log_settings_parse(&s, "4:*virsh-ext-log/x* 4:****virsh-ext-log/1.2.3/b**** 3:*virsh-ext-log/",
                       "");
    marks = log_settings_marks(&s);
    g_assert_cmpuint(marks->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(marks, 0), ==, "4:virsh-ext-log/1.2.3/b");
}

static void commands_are_quoted_for_the_shell(void)
{
    g_auto(LogSettings) s = { NULL, NULL };
    g_autofree char *commands = NULL;

    log_settings_parse(&s, "1:*'* 3:*rpc*", "1:file:/$a 3:stderr");
    commands = log_settings_commands(&s, "libvirtd:///system");
    g_assert_cmpstr(commands, ==,
                    "virt-admin -c 'libvirtd:///system' daemon-log-outputs '1:file:/$a 3:stderr'"
                    " && virt-admin -c 'libvirtd:///system' daemon-log-filters "
                    "'1:'\\'' 3:rpc'");
}

static void outputs_are_compared_by_the_file_they_mean(void)
{
    g_auto(LogSettings) s = { NULL, NULL };

    log_settings_parse(&s, NULL, "3:stderr 2:syslog:/a 4:file:/x/./y//z");
    g_assert_cmpstr(log_settings_output_to(&s, "/x/y/z"), ==, "4:file:/x/./y//z");
    g_assert_null(log_settings_output_to(&s, "/a"));
}

static void an_owner_lives_until_it_has_ended(void)
{
    g_autofree char *self = log_owner_self(), *child = NULL, *later = NULL;
    char buffer[100];
    int fds[2];
    ssize_t n;
    siginfo_t info;
    pid_t pid;

    g_assert_false(log_owner_dead(self));
    later = g_strconcat(self, "1", NULL);
    g_assert_true(log_owner_dead(later)); /* the same number, started at another time */
    g_assert_cmpint(pipe(fds), ==, 0);
    pid = fork();
    if (pid == 0) {
        g_autofree char *text = log_owner_self();

        if (write(fds[1], text, strlen(text)) > 0)
            pause();
        _exit(1);
    }
    n = read(fds[0], buffer, sizeof(buffer));
    g_assert_cmpint(n, >, 0);
    child = g_strndup(buffer, (gsize) n);
    g_assert_false(log_owner_dead(child));
    kill(pid, SIGKILL);
    g_assert_cmpint(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), ==, 0);
    g_assert_true(log_owner_dead(child)); /* a zombie */
    waitpid(pid, NULL, 0);
    g_assert_true(log_owner_dead(child));
    close(fds[0]);
    close(fds[1]);
}

static void an_owner_that_cannot_be_seen_is_not_dead(void)
{
    static const char *const owners[] = { "", "1", "0.0.0", "1.1.1", "a.b.c", "1.2.3.4",
                                          "1.-2.3", "1.2." };

    for (gsize i = 0; i < G_N_ELEMENTS(owners); i++)
        g_assert_false(log_owner_dead(owners[i]));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/daemon-log/added-and-taken-out", what_is_added_is_taken_out);
    g_test_add_func("/daemon-log/mark", a_mark_says_whose_it_is_and_of_which_file);
    g_test_add_func("/daemon-log/commands", commands_are_quoted_for_the_shell);
    g_test_add_func("/daemon-log/outputs", outputs_are_compared_by_the_file_they_mean);
    g_test_add_func("/daemon-log/owner", an_owner_lives_until_it_has_ended);
    g_test_add_func("/daemon-log/owner-unseen", an_owner_that_cannot_be_seen_is_not_dead);
    return g_test_run();
}
