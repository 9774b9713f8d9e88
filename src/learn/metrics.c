#include "learn/metrics.h"

double learn_confusion_accuracy(const struct learn_confusion *confusion)
{
    uint64_t right = 0, all = 0;
    for (uint32_t i = 0; i < confusion->class_count; i++)
        for (uint32_t j = 0; j < confusion->class_count; j++) {
            all += confusion->count[i][j];
            right += i == j ? confusion->count[i][j] : 0;
        }
    return all ? (double)right / (double)all : 0;
}

void learn_confusion_class(const struct learn_confusion *confusion, uint32_t index,
                           struct learn_class_metrics *ret_metrics)
{
    uint64_t truth = 0, said = 0, both = confusion->count[index][index];
    for (uint32_t i = 0; i < confusion->class_count; i++) {
        truth += confusion->count[index][i];
        said += confusion->count[i][index];
    }
    struct learn_class_metrics m = {.support = truth};
    m.precision = said ? (double)both / (double)said : 0;
    m.recall = truth ? (double)both / (double)truth : 0;
    m.f1 = both ? 2 * m.precision * m.recall / (m.precision + m.recall) : 0;
    *ret_metrics = m;
}

void learn_confusion_macro(const struct learn_confusion *confusion,
                           struct learn_class_metrics *ret_metrics)
{
    struct learn_class_metrics sum = {0};
    for (uint32_t i = 0; i < confusion->class_count; i++) {
        struct learn_class_metrics m;
        learn_confusion_class(confusion, i, &m);
        sum.precision += m.precision / confusion->class_count;
        sum.recall += m.recall / confusion->class_count;
        sum.f1 += m.f1 / confusion->class_count;
        sum.support += m.support;
    }
    *ret_metrics = sum;
}

void learn_errors_add(struct learn_errors *errors, double truth, double answer)
{
    double miss = answer - truth;
    errors->count++;
    errors->absolute += miss < 0 ? -miss : miss;
    errors->square += miss * miss;
    errors->truth += truth;
    errors->truth_square += truth * truth;
}

double learn_errors_mae(const struct learn_errors *errors)
{
    return errors->count ? errors->absolute / (double)errors->count : 0;
}

double learn_errors_rmse(const struct learn_errors *errors)
{
    return errors->count ? __builtin_sqrt(errors->square / (double)errors->count) : 0;
}

double learn_errors_r2(const struct learn_errors *errors)
{
    double n = (double)errors->count;
    double total = errors->truth_square - errors->truth * errors->truth / n;
    return total > 0 ? 1 - errors->square / total : 0;
}
