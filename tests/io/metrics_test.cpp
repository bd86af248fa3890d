#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <advprop/io/metrics.hpp>

namespace metrics_test {

using namespace advprop;

namespace {

struct folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("advprop-metrics-" + std::to_string(::getpid()));
  folder() { std::filesystem::create_directories(path); }
  ~folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

std::string content(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void put(const std::string& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }

}  // namespace

TEST_CASE("every entry is one line, in the file as soon as it is written") {
  const folder f;
  const auto file = f.file("metrics.jsonl");
  put(file, "left from an older run\n");
  metrics_log log(file);
  CHECK(content(file) == "");
  log.write({{"epoch", 1}, {"loss", {{"clean", 0.5}, {"adversarial", 0.75}}}, {"accuracy", 0.25}});
  CHECK(content(file) == "{\"epoch\":1,\"loss\":{\"clean\":0.5,\"adversarial\":0.75},\"accuracy\":0.25}\n");
  log.write({{"epoch", 2}, {"loss", NAN}, {"note", "two\nlines, \xff"}});
  const auto lines = content(file);
  CHECK(lines.substr(lines.find('\n') + 1) == "{\"epoch\":2,\"loss\":null,\"note\":\"two\\nlines, \xEF\xBF\xBD\"}\n");
}

TEST_CASE("a resumed run drops the entries beyond its epoch and a torn last line") {
  const folder f;
  const auto file = f.file("metrics.jsonl");
  const std::string kept = "{\"epoch\":1,\"loss\":3.25}\n{\"epoch\":2}\n{\"epoch\":2,\"evaluation\":true}\n";
  for (const char* tail : {"", "{\"epoch\":3}\n", "{\"epoch\":3}\n{\"epoch\":4}\n{\"epo", "{\"epoch\":2}"}) {
    put(file, kept + tail);
    metrics_log log(file, 2);
    CHECK(content(file) == kept);
    log.write({{"epoch", 3}, {"again", true}});
    CHECK(content(file) == kept + "{\"epoch\":3,\"again\":true}\n");
  }
  metrics_log missing(f.file("none.jsonl"), 5);
  CHECK(content(f.file("none.jsonl")) == "");
}

TEST_CASE("lines that are no entries and folders that are not there are errors that name the file") {
  const folder f;
  const auto file = f.file("metrics.jsonl");
  for (const char* line : {"{\"epoch\":", "[1]", "{\"loss\":1}", "{\"epoch\":1.5}", ""}) {
    put(file, "{\"epoch\":1}\n" + std::string(line) + "\n{\"epoch\":2}\n");
    const auto before = content(file);
    CHECK_THROWS_WITH_AS(metrics_log(file, 2), (file + ": line 2 is not an entry with an epoch").c_str(), file_error);
    CHECK(content(file) == before);
  }
  CHECK_THROWS_AS(metrics_log(f.file("missing/metrics.jsonl")), file_error);
  metrics_log log(f.file("good.jsonl"));
  CHECK_THROWS_AS(log.write({{"loss", 1}}), argument_error);
  CHECK_THROWS_AS(log.write(1), argument_error);
  CHECK(content(f.file("good.jsonl")) == "");
}

TEST_CASE("what the disk refuses is an error") {
  const folder f;
  metrics_log log(f.file("metrics.jsonl"));
  log.write({{"epoch", 1}});
  // A limit on the size of files refuses writes as a full disk does.
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  const auto soft = limit.rlim_cur;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  limit.rlim_cur = 16;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  std::string what;
  try {
    log.write({{"epoch", 2}});
  } catch (const file_error& e) {
    what = e.what();
  }
  limit.rlim_cur = soft;
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  CHECK(what == f.file("metrics.jsonl") + ": cannot be written: File too large");
}

TEST_CASE("the summary is indented JSON and replaces the old one") {
  const folder f;
  const auto file = f.file("summary.json");
  write_summary(file, {{"method", "advprop"}, {"accuracy", 0.5}});
  write_summary(file, {{"method", "clean"}, {"accuracy", 0.25}});
  CHECK(content(file) == "{\n  \"method\": \"clean\",\n  \"accuracy\": 0.25\n}\n");
  CHECK(std::distance(std::filesystem::directory_iterator(f.path), {}) == 1);
}

}  // namespace metrics_test
