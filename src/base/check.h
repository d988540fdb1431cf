// Checks for bugs in our own code: they abort with place and state. A wrong world (input, machine) is a
// Result, never a check.
#pragma once

namespace sluice {

/// Prints "FILE:LINE: check failed: EXPRESSION" to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* expression);

}  // namespace sluice

#define SLUICE_CHECK(condition)                      \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? (void)0                                     \
       : ::sluice::check_failed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define SLUICE_DCHECK(condition) ((void)0)
#else
#define SLUICE_DCHECK(condition) SLUICE_CHECK(condition)
#endif

#define SLUICE_UNREACHABLE() ::sluice::check_failed(__FILE__, __LINE__, "unreachable")
