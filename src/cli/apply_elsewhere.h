/* apply_elsewhere.h: `farspan apply` where others act: Terraform, and the machines of one's own. */
#ifndef CLI_APPLY_ELSEWHERE_H
#define CLI_APPLY_ELSEWHERE_H

#include "cli/apply_cluster.h"

/* Renders into the folder, then for each cloud `terraform plan` as the difference, and `terraform
 * apply` of just that plan. Terraform undoes nothing: run again, it goes on. Exit status as
 * apply_cluster(). */
int apply_terraform(const struct apply_wish *wish, struct render_job *job);

/* Renders into the folder and says what to do on which machine; touches no machine. With --json
 * {"target","folder","files"}. */
int apply_hosts(const struct apply_wish *wish, struct render_job *job);

#endif
