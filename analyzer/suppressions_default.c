/* SPDX-License-Identifier: MIT */
/*
 * What a program cannot free: memory that the C library, its loader and libstdc++ take once or once
 * a thread and keep on purpose. Valgrind asks glibc to free it (__libc_freeres) before it looks;
 * heaptape changes nothing in the program and knows it by its place instead.
 *
 * Only exported functions are named, where there are any, so that it works without the debug
 * information of these libraries. An entry must not hide what the program was given and has to give
 * back: the stream of fopen(), the list of getaddrinfo(), the directory of opendir().
 */
#include "suppressions.h"

#define ENTRY(name, frames) "{\n   " name "\n   Memcheck:Leak\n" frames "}\n"
#define FUN(glob)           "   fun:" glob "\n"
#define OBJ(glob)           "   obj:" glob "\n"
#define ANY                 "   ...\n"
#define LIBC                OBJ("*/libc.so.6")
/* The library's own call of malloc, or one by what the function calls in the library. */
#define BELOW(function)                                                                            \
    ENTRY("C library: " function, FUN("*") FUN(function))                                          \
    ENTRY("C library: " function, FUN("*") LIBC ANY FUN(function))

const char suppressions_default[] =
    /* the loader: link maps, search paths, thread-local storage */
    ENTRY("loader: modules and thread-local storage", FUN("*") OBJ("*/ld-linux-x86-64.so.2"))
        ENTRY("loader: modules and thread-local storage, at the loader's own path",
              FUN("*") OBJ("*/ld-2.*.so"))
    /* libstdc++ */
    ENTRY("libstdc++: memory for exceptions when there is no other",
          FUN("malloc") OBJ("*/libstdc++.so.6*") OBJ("*/ld-linux-x86-64.so.2"))
        ENTRY("libstdc++, linked statically: memory for exceptions when there is no other",
              FUN("malloc") FUN("_GLOBAL__sub_I__ZN9__gnu_cxx9__freeresEv"))
            ENTRY("libstdc++, linked statically: memory for exceptions when there is no other",
                  FUN("malloc") FUN("_GLOBAL__sub_I_eh_alloc.cc"))
    /* stdio: buffers of stdin, stdout and stderr, and of streams that are reported themselves */
    ENTRY("C library: buffers of streams", FUN("malloc") FUN("_IO_file_doallocate"))
        ENTRY("C library: buffers of wide streams", FUN("malloc") FUN("_IO_wfile_doallocate"))
    /* processes and threads */
    BELOW("__cxa_atexit") BELOW("on_exit") BELOW("__cxa_at_quick_exit") BELOW("pthread_atfork")
        BELOW("__register_atfork") BELOW("setenv") BELOW("putenv") BELOW("clearenv")
            BELOW("__cxa_thread_atexit_impl") BELOW("pthread_create") BELOW("dlerror")
    /* locales and messages */
    BELOW("setlocale") BELOW("textdomain") BELOW("bindtextdomain") BELOW("bind_textdomain_codeset")
        BELOW("gettext") BELOW("dgettext") BELOW("dcgettext") BELOW("ngettext") BELOW("dngettext")
            BELOW("dcngettext") BELOW("__dcgettext") BELOW("strerror") BELOW("strerror_l")
                BELOW("strsignal") BELOW("perror")
    /* time zones */
    BELOW("tzset") BELOW("localtime") BELOW("localtime_r") BELOW("mktime") BELOW("timelocal")
        BELOW("strftime") BELOW("__tz_convert") BELOW("strftime_l") BELOW("wcsftime") BELOW("ctime")
            BELOW("ctime_r")
    /* users, groups, services: static results, and what finds them */
    BELOW("getpwnam") BELOW("getpwuid") BELOW("getgrnam") BELOW("getgrgid") BELOW("getpwent")
        BELOW("getgrent") BELOW("getspnam") BELOW("getpwnam_r") BELOW("getpwuid_r")
            BELOW("getgrnam_r") BELOW("getgrgid_r") BELOW("initgroups") BELOW("getgrouplist")
                BELOW("gethostbyname") BELOW("gethostbyname2") BELOW("gethostbyaddr")
                    BELOW("getservbyname") BELOW("getservbyport") BELOW("getprotobyname")
                        BELOW("getprotobynumber") BELOW("getnetbyname") BELOW("getnameinfo")
    /* with debug information of the C library: what has no exported function above it that would
     * not hide the program's own as well */
    ENTRY("C library: locale data", FUN("*") ANY FUN("_nl_find_locale"))
        ENTRY("C library: list of character sets", FUN("*") ANY FUN("__gconv_load_conf"))
            ENTRY("C library: list of character sets", FUN("*") ANY FUN("__gconv_read_conf"))
                ENTRY("C library: list of character sets", FUN("*") ANY FUN("__gconv_load_cache"))
                    ENTRY("C library: character conversion",
                          FUN("*") ANY FUN("__gconv_find_transform"))
                        ENTRY("C library: character conversion of a locale",
                              FUN("*") ANY FUN("__wcsmbs_load_conv"))
                            ENTRY("C library: name service", FUN("*") ANY FUN("__nss_*"))
                                ENTRY("C library: resolver", FUN("*") ANY FUN("__res_*init*"))
                                    ENTRY("C library: resolver, its files",
                                          FUN("*") ANY FUN("__resolv_conf_*"));
