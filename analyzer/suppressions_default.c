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

    /* stdio: buffers of streams; a stream that is not closed is reported itself */
    ENTRY("C library: buffers of streams", FUN("malloc") FUN("_IO_file_doallocate"))
        ENTRY("C library: buffers of streams", FUN("malloc") LIBC FUN("_IO_doallocbuf"))
    /* processes and threads */
    BELOW("__cxa_atexit") BELOW("on_exit") BELOW("__cxa_at_quick_exit") BELOW("__register_atfork")
        BELOW("__cxa_thread_atexit_impl") BELOW("pthread_create") BELOW("dlerror") BELOW("setenv")
            BELOW("putenv") BELOW("clearenv") BELOW("__add_to_environ")
                ENTRY("C library: dlopen", FUN("*") LIBC FUN("dlopen"))
                    ENTRY("C library: dlsym", FUN("*") LIBC FUN("dlsym"))
    /* locales, messages, characters */
    BELOW("setlocale") BELOW("textdomain") BELOW("bindtextdomain") BELOW("bind_textdomain_codeset")
        BELOW("gettext") BELOW("dgettext") BELOW("dcgettext") BELOW("ngettext") BELOW("dngettext")
            BELOW("dcngettext") BELOW("__dcigettext") BELOW("strerror") BELOW("strerror_l")
                BELOW("strsignal") BELOW("perror") BELOW("fwide") BELOW("btowc") BELOW("wctob")
                    BELOW("mblen") BELOW("mbrlen") BELOW("mbtowc") BELOW("mbrtowc")
                        BELOW("mbstowcs") BELOW("mbsrtowcs") BELOW("mbsnrtowcs") BELOW("wctomb")
                            BELOW("wcrtomb") BELOW("wcstombs") BELOW("wcsrtombs")
                                BELOW("wcsnrtombs") BELOW("__wcsmbs_load_conv")
                                    ENTRY("C library: locale data",
                                          FUN("*") LIBC ANY FUN("_nl_find_locale"))
                                        ENTRY("C library: character conversion",
                                              FUN("*") LIBC ANY FUN("__gconv_open"))
                                            ENTRY("C library: character conversion",
                                                  FUN("*") LIBC ANY FUN("__gconv_find_transform"))
    /* time zones */
    BELOW("tzset") BELOW("localtime") BELOW("localtime_r") BELOW("mktime") BELOW("timelocal")
        BELOW("strftime") BELOW("strftime_l") BELOW("wcsftime") BELOW("ctime") BELOW("ctime_r")
            BELOW("__tz_convert")
    /* users, groups, hosts, services: results that belong to the library, and what finds them */
    BELOW("getpwnam") BELOW("getpwuid") BELOW("getgrnam") BELOW("getgrgid") BELOW("getpwent")
        BELOW("getgrent") BELOW("getspnam") BELOW("getpwnam_r") BELOW("getpwuid_r")
            BELOW("getgrnam_r") BELOW("getgrgid_r") BELOW("initgroups") BELOW("getgrouplist")
                BELOW("gethostbyname") BELOW("gethostbyname2") BELOW("gethostbyaddr")
                    BELOW("getservbyname") BELOW("getservbyport") BELOW("getprotobyname")
                        BELOW("getprotobynumber") BELOW("getnetbyname") BELOW("getnameinfo")
                            ENTRY("C library: addresses of this host",
                                  FUN("realloc") LIBC FUN("getaddrinfo"))
                                ENTRY("C library: name service", FUN("*") ANY FUN("__nss_*"))
                                    ENTRY("C library: resolver", FUN("*") ANY FUN("__res_*init*"))
                                        ENTRY("C library: resolver",
                                              FUN("*") ANY FUN("__resolv_conf_*"))
    /* Rust's runtime */
    ENTRY("Rust: main thread", FUN("*") FUN("std::sys::*::stack_overflow::*"))
        ENTRY("Rust: main thread", FUN("*") ANY FUN("std::rt::init*"))
            ENTRY("Rust: main thread", FUN("*") FUN("std::rt::lang_start_internal"))
    /* shells, with which programs are started: they leave everything to the end of the process */
    ENTRY("shell", FUN("*") ANY OBJ("*/bin/dash")) ENTRY("shell", FUN("*") ANY OBJ("*/bin/bash"));
