/* apply_hosts.c: machines of one's own: what to do on each of them, as commands to be pasted. We
 * have no way to other machines, and want none. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/apply_elsewhere.h"

static const struct render_region *region_of(const struct render_world *world, struct span folder)
{
    for (uint32_t i = 0; i < world->region_count; i++)
        if (span_is(folder, world->regions[i].label))
            return &world->regions[i];
    return NULL;
}

static void say_region(const struct render_world *world, const struct render_region *region,
                       const char *folder)
{
    printf("\n%.*s: on every machine, as root, with a copy of %s/%s in the current folder\n\n",
           SPAN_ARG(region->name), folder, region->label);
    printf("  install -m 0644 -D farspan.sysusers /etc/sysusers.d/farspan.conf && "
           "systemd-sysusers\n"
           "  install -d -m 0750 -g farspan /etc/farspan /etc/farspan/keys\n"
           "  install -m 0644 farspan.env *.yaml /etc/farspan/\n"
           "  install -m 0644 farspan.target *.service /etc/systemd/system/\n"
           "  systemctl daemon-reload\n\n");
    for (uint32_t i = 0; i < region->workload_count; i++) {
        const struct render_workload *workload = &world->workloads[region->workload_first + i];
        for (uint32_t k = 0; k < workload->row->count; k++)
            printf("  on %s-%u:  systemctl enable --now farspan.target %s.service && "
                   "systemctl reload-or-restart %s.service\n",
                   workload->name, k, workload->name, workload->name);
    }
    printf("  then, on the gateways' machines:  systemctl enable --now farspan.target "
           "farspan-gateway.service && systemctl restart farspan-gateway.service\n");
}

/* What ran in the plan before and does not any more, after the gateways know it. */
static void say_gone(const struct plan_sheet *sheet)
{
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        const struct plan_sheet_replica *row = &sheet->replicas[i];
        if (row->running > row->count && span_is(row->market, "own"))
            printf(
                "  last, on %u machine%s of %.*s that ran %.*s on %.*s:  systemctl disable --now "
                "its unit\n",
                row->running - row->count, row->running - row->count == 1 ? "" : "s",
                SPAN_ARG(row->region), SPAN_ARG(row->service), SPAN_ARG(row->sku));
    }
}

static void say_json(const char *folder, const struct render_output *output)
{
    char buffer[4 * LIMIT_PATH];
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    text_json_object(&json);
    text_json_key(&json, "target");
    text_json_str(&json, render_target_name(RENDER_SYSTEMD));
    text_json_key(&json, "folder");
    text_json_str(&json, folder);
    text_json_key(&json, "files");
    text_json_u64(&json, output->files.count);
    text_json_end(&json);
    puts(buffer);
}

int apply_hosts(const struct apply_wish *wish, struct render_job *job)
{
    struct render_output output = {0};
    unsigned removed_count;
    struct span last = {0};
    bool is_good = render_job_open(job) && render_job_read_plan(job, wish->plan) &&
                   render_job_make(job, wish->plan, job->request.sheet, &output) &&
                   render_job_write(job, wish->folder, &output.files, &removed_count);
    if (is_good && wish->is_json)
        say_json(wish->folder, &output);
    for (uint32_t i = 0; is_good && !wish->is_json && i < output.files.count; i++) {
        struct span path = span_of(output.files.file[i].path), folder = span_cut(&path, '/');
        const struct render_region *region = region_of(output.world, folder);
        if (!region || span_is_equal(folder, last))
            continue;
        last = folder;
        say_region(output.world, region, wish->folder);
    }
    if (is_good && !wish->is_json)
        say_gone(job->request.sheet);
    render_output_free(&output);
    return is_good ? 0 : 1;
}
