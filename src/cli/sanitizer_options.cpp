// What sanitizers are told when kiln is built with one; nothing otherwise. ASAN_OPTIONS and TSAN_OPTIONS win.

// disable_coredump=0: RLIMIT_CORE stays as it is, because the guest sees it.
#if __has_feature(address_sanitizer)
// Freed memory is kept for later mistakes to hit, but not so much that a guest's threads look like a leak.
extern "C" const char* __asan_default_options() { return "disable_coredump=0:quarantine_size_mb=16"; }
#endif

#if __has_feature(thread_sanitizer)
// Guests fork with threads running, and kiln is ready for that.
extern "C" const char* __tsan_default_options() { return "disable_coredump=0:die_after_fork=0"; }

// The server's thread has a table of descriptors of its own, from which it closes what the other keeps and the other way
// round; ThreadSanitizer takes all tables for one.
extern "C" const char* __tsan_default_suppressions() {
    return "race:kiln::debug::(anonymous namespace)::serve_on_thread\n";
}
#endif
