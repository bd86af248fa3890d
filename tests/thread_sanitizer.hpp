// ADVPROP_THREAD_SANITIZER: clang's ThreadSanitizer brings an operator new that a program cannot replace.
#pragma once

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ADVPROP_THREAD_SANITIZER
#endif
#endif
