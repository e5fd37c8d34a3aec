/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * delete.c: plans the deletion of external snapshots
 */
#include "plugin/plan/plan.h"

#include "vext-i18n.h"

void plan_delete(Plan *plan, ChainGraph *graph, ChainDomain *d, const PlanRequest *request,
                 const PlanFacts *facts)
{
    plan_refuse(plan, "not-implemented", g_strdup(_("Deleting is not implemented yet")), NULL);
}
