#include "cli/profile_watts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/span.h"
#include "os/clock.h"
#include "os/process.h"

enum {
    OPEN_US = 3000 * 1000,
    END_US = 1000 * 1000,
    PIECE = 1024,
    PACKAGE_SPAN_MIN_US = 100 * 1000
};

/* --- GPUs --- */

/* "0, 71.23"; what says no number ("[N/A]") is passed over. */
static void take_line(struct profile_watts *watts, struct span line)
{
    uint64_t gpu;
    double drawn_w;
    struct span index = span_trim(span_cut(&line, ','));
    if (!span_to_u64(index, &gpu) || gpu >= PROFILE_GPUS_MAX ||
        !span_to_double(span_trim(line), &drawn_w) || !(drawn_w > 0 && drawn_w < 1e5))
        return;
    watts->gpus[gpu].sum_w += drawn_w;
    watts->gpus[gpu].sample_count++;
    watts->gpu_count = gpu + 1 > watts->gpu_count ? (uint32_t)gpu + 1 : watts->gpu_count;
}

static void take_bytes(struct profile_watts *watts, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            take_line(watts, span_from(watts->line, watts->line_size));
            watts->line_size = 0;
        } else if (watts->line_size < sizeof watts->line) {
            watts->line[watts->line_size++] = bytes[i];
        }
    }
}

static void on_sample(struct net_watch *watch, unsigned events)
{
    struct profile_watts *watts = CONTAINER_OF(watch, struct profile_watts, watch);
    char bytes[PIECE];
    ssize_t n;
    (void)events;
    while ((n = read(watch->fd, bytes, sizeof bytes)) > 0)
        take_bytes(watts, bytes, (size_t)n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    int fd = watch->fd;
    net_loop_unwatch(watts->loop, watch);
    close(fd);
}

/* A shell finds the program by PATH and turns its output to the pipe. */
static bool start_sampler(struct profile_watts *watts)
{
    static const char script[] =
        "exec nvidia-smi --query-gpu=index,power.draw --format=csv,noheader,nounits -lms 250 "
        ">&3 2>/dev/null";
    static const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    /* The child's end must block, or it would lose samples when the pipe is full. */
    int flags = fcntl(ends[1], F_GETFL);
    bool is_good = flags >= 0 && fcntl(ends[1], F_SETFL, flags & ~O_NONBLOCK) == 0;
    const struct os_spawn spawn = {.argv = argv,
                                   .keep_fds = &ends[1],
                                   .keep_fd_count = 1,
                                   .output_path = "/dev/null",
                                   .dies_with_parent = true,
                                   .own_group = true};
    is_good = is_good && os_spawn(&spawn, &watts->child, &watts->pidfd, NULL) == ERR_OK;
    close(ends[1]);
    if (is_good && net_loop_watch(watts->loop, &watts->watch, ends[0], on_sample) == ERR_OK)
        return true;
    close(ends[0]);
    return false;
}

static void end_sampler(struct profile_watts *watts)
{
    int status;
    if (watts->watch.fd >= 0) {
        int fd = watts->watch.fd;
        net_loop_unwatch(watts->loop, &watts->watch);
        close(fd);
    }
    if (watts->child == 0)
        return;
    if (os_reap(watts->child, &status) == ERR_AGAIN) {
        bool is_told = os_signal(watts->child, SIGKILL) == ERR_OK;
        int64_t end_us = os_now_us() + END_US;
        while (is_told && os_reap(watts->child, &status) == ERR_AGAIN && os_now_us() < end_us)
            usleep(1000);
    }
    close(watts->pidfd);
    watts->child = 0;
}

static bool has_sample(const struct profile_watts *watts)
{
    for (uint32_t i = 0; i < watts->gpu_count; i++)
        if (watts->gpus[i].sample_count > 0)
            return true;
    return false;
}

/* Waits for the first sample; a machine without the program ends the pipe at once. */
static bool open_gpus(struct profile_watts *watts)
{
    int64_t end_us = os_now_us() + OPEN_US;
    if (!start_sampler(watts)) {
        end_sampler(watts);
        return false;
    }
    while (!has_sample(watts) && watts->watch.fd >= 0 && os_now_us() < end_us)
        net_loop_run_once(watts->loop, end_us - os_now_us());
    if (has_sample(watts))
        return true;
    end_sampler(watts);
    return false;
}

/* --- CPU packages --- */

static bool read_number(const char *path, uint64_t *ret_number)
{
    char buffer[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buffer, sizeof buffer);
    close(fd);
    struct span line = span_from(buffer, n > 0 ? (size_t)n : 0);
    return span_to_u64(span_cut(&line, '\n'), ret_number);
}

/* "intel-rapl:0" is a package (AMD's too), "intel-rapl:0:1" a part of one. */
static bool is_package(const char *name)
{
    struct span rest = span_of(name);
    uint64_t number;
    return span_is(span_cut(&rest, ':'), "intel-rapl") && span_to_u64(rest, &number);
}

static bool open_packages(struct profile_watts *watts, const char *powercap)
{
    char path[sizeof watts->packages[0].path + 32];
    bool is_there = false;
    DIR *folder = opendir(powercap);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)) && watts->package_count < PROFILE_PACKAGES_MAX) {
        struct profile_package *package = &watts->packages[watts->package_count];
        if (!is_package(entry->d_name))
            continue;
        is_there = true;
        int n = snprintf(path, sizeof path, "%s/%s/max_energy_range_uj", powercap, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof path || !read_number(path, &package->range_uj))
            continue;
        n = snprintf(package->path, sizeof package->path, "%s/%s/energy_uj", powercap,
                     entry->d_name);
        if (n > 0 && (size_t)n < sizeof package->path &&
            read_number(package->path, &package->begin_uj))
            watts->package_count++;
    }
    if (folder)
        closedir(folder);
    snprintf(watts->why_not, sizeof watts->why_not,
             is_there ? "nvidia-smi gives none, and only root may read %s"
                      : "nvidia-smi gives none, and %s has no energy counters",
             powercap);
    return watts->package_count > 0;
}

/* Since begin. The counter wraps at its range; false: it cannot be read any more. */
static bool read_packages(const struct profile_watts *watts, double *ret_joule)
{
    double sum_uj = 0;
    for (uint32_t i = 0; i < watts->package_count; i++) {
        const struct profile_package *package = &watts->packages[i];
        uint64_t now_uj;
        if (!read_number(package->path, &now_uj))
            return false;
        bool has_wrapped = now_uj < package->begin_uj;
        sum_uj += (double)(now_uj + (has_wrapped ? package->range_uj : 0) - package->begin_uj);
    }
    *ret_joule = sum_uj / 1e6;
    return true;
}

/* --- both --- */

const char *profile_watts_source_words(enum profile_watts_source source)
{
    return source == PROFILE_WATTS_GPU   ? "nvidia-smi"
           : source == PROFILE_WATTS_CPU ? "RAPL of the CPU packages"
                                         : "not measured";
}

void profile_watts_omit(struct profile_watts *watts, const char *why_not)
{
    *watts = (struct profile_watts){.source = PROFILE_WATTS_NONE};
    net_watch_init(&watts->watch);
    snprintf(watts->why_not, sizeof watts->why_not, "%s", why_not);
}

void profile_watts_open(struct profile_watts *watts, struct net_loop *loop, const char *powercap)
{
    profile_watts_omit(watts, "");
    watts->loop = loop;
    if (open_gpus(watts))
        watts->source = PROFILE_WATTS_GPU;
    else if (open_packages(watts, powercap))
        watts->source = PROFILE_WATTS_CPU;
}

void profile_watts_close(struct profile_watts *watts)
{
    end_sampler(watts);
    watts->source = PROFILE_WATTS_NONE;
}

void profile_watts_begin(struct profile_watts *watts)
{
    memset(watts->gpus, 0, sizeof watts->gpus);
    watts->begin_us = os_now_us();
    for (uint32_t i = 0; i < watts->package_count; i++)
        if (!read_number(watts->packages[i].path, &watts->packages[i].begin_uj))
            profile_watts_omit(watts, "the energy counters cannot be read any more");
}

static bool mean_of_gpus(const struct profile_watts *watts, uint32_t accelerator_count,
                         struct profile_drawn *ret_drawn)
{
    double mean[PROFILE_GPUS_MAX];
    struct profile_drawn drawn = {0, 0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < watts->gpu_count; i++) {
        const struct profile_gpu *gpu = &watts->gpus[i];
        if (gpu->sample_count < PROFILE_SAMPLES_MIN)
            continue;
        double value = gpu->sum_w / gpu->sample_count;
        uint32_t at = count++;
        for (; at > 0 && mean[at - 1] < value; at--)
            mean[at] = mean[at - 1];
        mean[at] = value;
        drawn.all_w += value;
    }
    uint32_t own = accelerator_count < count ? accelerator_count : count;
    for (uint32_t i = 0; i < own; i++)
        drawn.accelerator_w += mean[i] / own;
    if (own == 0)
        return false;
    *ret_drawn = drawn;
    return true;
}

bool profile_watts_end(const struct profile_watts *watts, uint32_t accelerator_count,
                       struct profile_drawn *ret_drawn)
{
    CHECK(accelerator_count > 0);
    if (watts->source == PROFILE_WATTS_GPU)
        return mean_of_gpus(watts, accelerator_count, ret_drawn);
    int64_t span_us = os_now_us() - watts->begin_us;
    double joule;
    if (watts->source == PROFILE_WATTS_NONE || span_us < PACKAGE_SPAN_MIN_US ||
        !read_packages(watts, &joule))
        return false;
    double all_w = joule * 1e6 / (double)span_us;
    *ret_drawn = (struct profile_drawn){all_w, all_w / accelerator_count};
    return all_w > 0;
}
