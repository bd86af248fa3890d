// Where what is not a template is defined: inline in every file that includes its header, or once, in the library
// advprop::compiled.
#pragma once

// A header X.hpp declares with ADVPROP_API what X.inl beside it defines. A program that links advprop::compiled, which
// defines ADVPROP_COMPILED, sees no .inl: its files compile faster, and the library's sources (src/) have them all.
#if defined(ADVPROP_COMPILED)
#define ADVPROP_API
#define ADVPROP_HEADER_ONLY 0
#else
#define ADVPROP_API inline
#define ADVPROP_HEADER_ONLY 1
#endif
