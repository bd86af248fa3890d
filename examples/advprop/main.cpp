// advprop: trains, evaluates and compares.
#include <cstdio>
#include <exception>

#include "options.hpp"

int main(int argc, char** argv) {
  using namespace advprop::program;
  try {
    const invocation i = parse(argc, argv);
    if (i.run) i.run(i.given);
    return i.status;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "advprop: %s\n", e.what());
    return 1;
  }
}
