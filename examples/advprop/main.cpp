// advprop: trains, evaluates and compares.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <system_error>

#include <advprop/core/error.hpp>

#include "options.hpp"

namespace {

/// Threads that wait for one another spin for a while, as long as other programs let them: on a machine that has other
/// work an epoch then takes twice the time or more. GNU's OpenMP reads for how long when it is loaded, so the program
/// begins anew. Where that fails it goes on as it is.
void spin_briefly(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  ::setenv("GOMP_SPINCOUNT", "2000", 0);
  std::error_code failed;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (!failed) ::execv(own.c_str(), argv);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace advprop::program;
  spin_briefly(argv);
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
