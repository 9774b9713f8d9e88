/* render_systemd.c: units for one's own machines (market own): one folder a region, with the
 * region's gateway, one service unit and farspan.yaml a workload, a target, an environment file
 * that says where things are, a system user, and the names that the machines must answer to.
 *
 * Every file goes to every machine of the region; a machine enables the unit of what it runs.
 * Machine i of a workload is called NAME-i (hosts). */
#include "base/check.h"
#include "deploy/render_config.h"

enum { STOP_S = 10 };

static const struct render_paths paths = {"/etc/farspan/keys", "/var/lib/farspan/models"};

static void add_address(const struct render_world *world, const struct render_workload *workload,
                        uint32_t index, struct text *url)
{
    (void)world;
    text_add(url, "http://%s-%u:%d", workload->name, index, RENDER_WORKER_PORT);
}

static bool has_accelerator(const struct render_workload *workload)
{
    return workload->sku && workload->sku->accelerator_count > 0;
}

/* What a process of ours never does, taken away. Code is not written at run time but by the
 * compilers of accelerators, whose devices a service with one needs, too. */
static void add_hardening(struct text *out, bool uses_devices)
{
    text_add(out, "NoNewPrivileges=yes\n"
                  "CapabilityBoundingSet=\n"
                  "AmbientCapabilities=\n"
                  "ProtectSystem=strict\n"
                  "ProtectHome=yes\n"
                  "PrivateTmp=yes\n"
                  "PrivateUsers=yes\n"
                  "ProtectClock=yes\n"
                  "ProtectHostname=yes\n"
                  "ProtectKernelLogs=yes\n"
                  "ProtectKernelModules=yes\n"
                  "ProtectKernelTunables=yes\n"
                  "ProtectControlGroups=yes\n"
                  "ProtectProc=invisible\n"
                  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n"
                  "RestrictNamespaces=yes\n"
                  "RestrictRealtime=yes\n"
                  "RestrictSUIDSGID=yes\n"
                  "LockPersonality=yes\n"
                  "RemoveIPC=yes\n"
                  "SystemCallArchitectures=native\n"
                  "SystemCallFilter=@system-service\n"
                  "SystemCallFilter=~@privileged\n"
                  "SystemCallErrorNumber=EPERM\n"
                  "UMask=0077\n");
    if (uses_devices)
        text_add(out, "DevicePolicy=closed\n"
                      "DeviceAllow=char-nvidia* rw\n"
                      "DeviceAllow=char-drm rw\n"
                      "DeviceAllow=char-kfd rw\n");
    else
        text_add(out, "PrivateDevices=yes\n"
                      "MemoryDenyWriteExecute=yes\n");
}

static void begin_unit(struct text *out, const char *what, const struct render_region *region)
{
    text_add(out,
             "[Unit]\n"
             "Description=farspan: %s in %.*s\n"
             "After=network-online.target\n"
             "Wants=network-online.target\n"
             "PartOf=farspan.target\n"
             "StartLimitIntervalSec=120\n"
             "StartLimitBurst=10\n"
             "\n"
             "[Service]\n"
             "Type=exec\n"
             "User=farspan\n"
             "Group=farspan\n"
             "EnvironmentFile=/etc/farspan/farspan.env\n"
             "ExecStartPre=/usr/bin/test -r ${FARSPAN_KEYS}/inner.key\n",
             what, SPAN_ARG(region->name));
}

/* Stopping takes what farspan itself takes; open answers are drained by taking the machine out of
 * the gateway's list first. */
static void end_unit(struct text *out, bool uses_devices)
{
    text_add(out,
             "Restart=always\n"
             "RestartSec=2\n"
             "KillMode=mixed\n"
             "TimeoutStopSec=%d\n"
             "LimitNOFILE=1048576\n"
             "LimitCORE=0\n"
             "StateDirectory=farspan\n"
             "StateDirectoryMode=0700\n",
             STOP_S);
    add_hardening(out, uses_devices);
    text_add(out, "\n[Install]\nWantedBy=farspan.target\n");
}

static void write_workload(const struct render_world *world, const struct render_region *region,
                           const struct render_workload *workload, struct render_files *files)
{
    render_file_begin(files, "%s/%s.service", region->label, workload->name);
    begin_unit(files->text, workload->name, region);
    text_add(files->text,
             "ExecStart=/usr/bin/farspan up -f ${FARSPAN_CONFIG}/%s.yaml --state "
             "${FARSPAN_STATE}/%s\n",
             workload->name, workload->name);
    end_unit(files->text, has_accelerator(workload));
    render_file_end(files);
    render_file_begin(files, "%s/%s.yaml", region->label, workload->name);
    render_config_worker(world, region, workload, &paths, files->text);
    render_file_end(files);
}

static void write_gateway(const struct render_gateway *gateway, struct render_files *files)
{
    const struct render_region *region = gateway->region;
    render_file_begin(files, "%s/farspan-gateway.service", region->label);
    begin_unit(files->text, "gateway", region);
    text_add(files->text, "ExecStart=/usr/bin/farspan gateway -f ${FARSPAN_CONFIG}/gateway.yaml\n");
    end_unit(files->text, false);
    render_file_end(files);
    render_file_begin(files, "%s/gateway.yaml", region->label);
    render_config_gateway(gateway, files->text);
    render_file_end(files);
}

static void write_common(const struct render_world *world, const struct render_region *region,
                         struct render_files *files)
{
    struct text *out = files->text;
    render_file_begin(files, "%s/farspan.env", region->label);
    text_add(out,
             "# Read by every unit. The gateway's and the services' farspan.yaml name key files "
             "below\n# %s and model files below %s.\n"
             "FARSPAN_CONFIG=/etc/farspan\n"
             "FARSPAN_KEYS=%s\n"
             "FARSPAN_MODELS=%s\n"
             "FARSPAN_STATE=/var/lib/farspan\n"
             "FARSPAN_EPOCH=%llu\n",
             paths.keys, paths.models, paths.keys, paths.models, (unsigned long long)world->epoch);
    render_file_end(files);
    render_file_begin(files, "%s/farspan.target", region->label);
    text_add(out,
             "[Unit]\nDescription=farspan in %.*s\nAfter=network-online.target\n"
             "\n[Install]\nWantedBy=multi-user.target\n",
             SPAN_ARG(region->name));
    render_file_end(files);
    render_file_begin(files, "%s/farspan.sysusers", region->label);
    text_add(out, "u farspan - \"farspan\" /var/lib/farspan\n");
    render_file_end(files);
}

static void write_hosts(const struct render_world *world, const struct render_region *region,
                        struct render_files *files)
{
    render_file_begin(files, "%s/hosts", region->label);
    text_add(files->text, "# Put an address before each name: in /etc/hosts, or in your DNS.\n");
    for (uint32_t i = 0; i < region->workload_count; i++) {
        const struct render_workload *workload = &world->workloads[region->workload_first + i];
        for (uint32_t k = 0; k < workload->row->count; k++)
            text_add(files->text, "#ADDRESS %s-%u\n", workload->name, k);
    }
    render_file_end(files);
}

/* The world with nothing but one's own machines in it. */
static struct render_world *own_part(const struct render_world *world, struct arena *arena)
{
    struct render_world *own = ARENA_NEW(arena, struct render_world);
    struct render_region *regions = ARENA_ARRAY(arena, struct render_region, world->region_count);
    struct render_workload *workloads =
        ARENA_ARRAY(arena, struct render_workload, world->workload_count);
    if (!own || !regions || !workloads)
        return NULL;
    *own = *world;
    own->regions = regions;
    own->workloads = workloads;
    own->region_count = own->workload_count = 0;
    for (uint32_t i = 0; i < world->region_count; i++) {
        struct render_region *region = &own->regions[own->region_count];
        *region = world->regions[i];
        region->workload_first = own->workload_count;
        for (uint32_t k = 0; k < world->regions[i].workload_count; k++) {
            const struct render_workload *workload =
                &world->workloads[world->regions[i].workload_first + k];
            if (workload->market == RENDER_OWN)
                own->workloads[own->workload_count++] = *workload;
        }
        region->workload_count = own->workload_count - region->workload_first;
        own->region_count += region->workload_count > 0;
    }
    return own;
}

/* A gateway weighs at most LIMIT_TARGETS replicas of a service. */
static enum err check_targets(const struct render_world *own, const struct render_region *region,
                              struct text *why)
{
    for (uint32_t i = 0; i < region->workload_count; i++) {
        const struct render_workload *workload = &own->workloads[region->workload_first + i];
        uint64_t count = 0;
        for (uint32_t k = 0; k < region->workload_count; k++) {
            const struct render_workload *other = &own->workloads[region->workload_first + k];
            count += other->service == workload->service ? other->row->count : 0;
        }
        if (count <= LIMIT_TARGETS)
            continue;
        text_add(why, "service %.*s in %.*s: expected at most %d machines of one's own, found %llu",
                 SPAN_ARG(workload->service->name), SPAN_ARG(region->name), LIMIT_TARGETS,
                 (unsigned long long)count);
        return ERR_VALUE;
    }
    return ERR_OK;
}

enum err render_systemd(const struct render_world *world, struct arena *arena,
                        struct render_files *files, struct text *why)
{
    const struct render_world *own = own_part(world, arena);
    if (!own)
        return ERR_MEMORY;
    if (own->region_count == 0) {
        text_add(why, "the plan runs nothing on one's own machines (market own)");
        return ERR_NOT_FOUND;
    }
    for (uint32_t i = 0; i < own->region_count; i++) {
        const struct render_region *region = &own->regions[i];
        struct render_gateway gateway = {own, region, paths, add_address, false, true};
        enum err err = check_targets(own, region, why);
        if (err)
            return err;
        write_common(own, region, files);
        write_gateway(&gateway, files);
        for (uint32_t k = 0; k < region->workload_count; k++)
            write_workload(own, region, &own->workloads[region->workload_first + k], files);
        write_hosts(own, region, files);
    }
    return files->text->is_cut ? ERR_FULL : ERR_OK;
}
