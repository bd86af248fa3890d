// advprop: trains, evaluates and compares.
#include <cstdio>
#include <exception>

#include <advprop/core/error.hpp>

#include "options.hpp"

int main(int argc, char** argv) {
  using namespace advprop::program;
  invocation i;
  try {
    i = parse(argc, argv);
    if (i.run) i.run(i.given);
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
      throw advprop::file_error("standard output: cannot be written");
    return i.status;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "advprop: %s\n", i.line.located(e.what()).c_str());
    return 1;
  }
}
