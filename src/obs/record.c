#include "obs/record.h"

#include "base/check.h"

/* Days since 1970-01-01 to a date, for all years from 1970 (Hinnant, "chrono-compatible low-level
 * date algorithms"): years begin in March, so the leap day is the last. */
static void add_date(struct text *text, int64_t days)
{
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097, day_of_era = shifted % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    text_add(text, "%04lld-%02lld-%02lld", (long long)year, (long long)month, (long long)day);
}

/* RFC 3339, microseconds, UTC. */
static void add_time(struct text *text, int64_t wall_time_us)
{
    int64_t us = wall_time_us > 0 ? wall_time_us : 0;
    int64_t seconds = us / 1000000;
    add_date(text, seconds / 86400);
    text_add(text, "T%02d:%02d:%02d.%06dZ", (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60),
             (int)(seconds % 60), (int)(us % 1000000));
}

static void add_string(struct text *text, const char *key, struct span s, size_t n_max)
{
    if (s.n == 0)
        return;
    text_json_key(text, key);
    text_json_span(text, span_from(s.p, s.n < n_max ? s.n : n_max));
}

static void add_count(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

static void add_duration(struct text *text, const char *key, int64_t us)
{
    if (us >= 0)
        add_count(text, key, (uint64_t)us);
}

static struct span path_without_query(struct span path)
{
    return span_cut(&path, '?');
}

void obs_record_print(const struct obs_record *record, struct text *text)
{
    char buffer[40];
    struct text time;
    text_init(&time, buffer, sizeof buffer);
    add_time(&time, record->wall_time_us);

    text_json_object(text);
    add_string(text, "time", text_span(&time), sizeof buffer);
    add_string(text, "id", record->request_id, 128);
    add_string(text, "method", record->method, 16);
    add_string(text, "path", path_without_query(record->path), OBS_RECORD_FIELD_MAX);
    add_count(text, "status", record->status);
    add_string(text, "outcome", record->outcome, 32);
    add_string(text, "service", record->service, 64);
    add_string(text, "tenant", record->tenant, 64);
    add_string(text, "key", record->key_name, 64);
    add_string(text, "region", record->region, 64);
    add_string(text, "target", record->target, 64);
    add_string(text, "hop_from", record->hop_from, 64);
    add_count(text, "attempts", record->attempts);
    add_count(text, "bytes_in", record->bytes_in);
    add_count(text, "bytes_out", record->bytes_out);
    add_duration(text, "ttft_us", record->ttft_us);
    add_duration(text, "total_us", record->total_us);
    add_count(text, "prompt_tokens", record->prompt_tokens);
    add_string(text, "route", record->route, OBS_RECORD_ROUTE_MAX);
    text_json_end(text);
}
