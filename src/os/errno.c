#include "os/errno.h"

#include <errno.h>
#include <string.h>

static const struct {
    int error_number;
    enum err err;
} words[] = {
    {EAGAIN, ERR_AGAIN},          {EINPROGRESS, ERR_AGAIN},    {ECONNRESET, ERR_RESET},
    {EPIPE, ERR_RESET},           {ECONNABORTED, ERR_RESET},   {ENOTCONN, ERR_RESET},
    {ECONNREFUSED, ERR_REFUSED},  {EHOSTUNREACH, ERR_REFUSED}, {ENETUNREACH, ERR_REFUSED},
    {EADDRNOTAVAIL, ERR_REFUSED}, {ETIMEDOUT, ERR_TIMEOUT},    {ENOSPC, ERR_FULL},
    {EDQUOT, ERR_FULL},           {EFBIG, ERR_FULL},           {EMFILE, ERR_FULL},
    {ENFILE, ERR_FULL},           {ENOENT, ERR_NOT_FOUND},     {ENOTDIR, ERR_NOT_FOUND},
    {ESRCH, ERR_NOT_FOUND},       {ECHILD, ERR_NOT_FOUND},     {EEXIST, ERR_EXISTS},
    {EADDRINUSE, ERR_EXISTS},     {EACCES, ERR_DENIED},        {EPERM, ERR_DENIED},
    {EROFS, ERR_DENIED},          {ENOMEM, ERR_MEMORY},        {ENOBUFS, ERR_MEMORY},
};

enum err os_err_of(int error_number)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].error_number == error_number)
            return words[i].err;
    }
    return ERR_IO;
}

enum err os_fail(struct text *why, const char *action, const char *path)
{
    int error_number = errno;
    if (why) {
        const char *sentence = strerrordesc_np(error_number);
        text_add(why, "cannot %s%s%s: %s", action, path ? " " : "", path ? path : "",
                 sentence ? sentence : "unknown error");
    }
    return os_err_of(error_number);
}
