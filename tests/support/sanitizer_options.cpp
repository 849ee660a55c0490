// What the sanitizers of a test program do, unless its environment says
// otherwise.  The suppressions are those of tsan.supp and lsan.supp, where the
// reasons are.

extern "C" {

// NOLINTBEGIN: the names are the sanitizers'.
__attribute__((weak)) const char* __tsan_default_options() {
  return "halt_on_error=1:intercept_tls_get_addr=0:second_deadlock_stack=1";
}
__attribute__((weak)) const char* __tsan_default_suppressions() {
  return "called_from_lib:libtbb.so.12\nrace:_dl_deallocate_tls\n";
}
__attribute__((weak)) const char* __asan_default_options() {
  return "detect_stack_use_after_return=1:intercept_tls_get_addr=0";
}
__attribute__((weak)) const char* __lsan_default_options() {
  return "print_suppressions=0";
}
__attribute__((weak)) const char* __lsan_default_suppressions() {
  return "leak:tbb::detail::r1::observe\nleak:WithTbb\n";
}
__attribute__((weak)) const char* __ubsan_default_options() {
  return "print_stacktrace=1";
}
// NOLINTEND

}  // extern "C"
