#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <advprop/io/file.hpp>

namespace file_test {

namespace fs = std::filesystem;
using namespace advprop;

namespace {

struct scratch_folder {
  fs::path path;
  scratch_folder() {
    auto pattern = (fs::temp_directory_path() / "advprop-file-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()));
    path = pattern;
  }
  ~scratch_folder() {
    std::error_code ignored;
    fs::permissions(path, fs::perms::owner_all, ignored);
    fs::remove_all(path, ignored);
  }
  std::string operator/(const char* name) const { return (path / name).string(); }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

std::string content(const std::string& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const file_error& e) {
    return e.what();
  }
  return "no file_error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("A file is read whole, up to the limit and no further") {
  scratch_folder folder;
  const auto path = folder / "a";
  const std::string text("zero \0 and \xff", 12);
  std::ofstream(path, std::ios::binary) << text;
  CHECK(content(path) == text);
  CHECK(read_file(path, 12).size() == 12);
  CHECK(message([&] { read_file(path, 11); }) == path + ": larger than the limit of 11 bytes");
  std::ofstream(path, std::ios::trunc).flush();
  CHECK(read_file(path, 0).empty());
}

TEST_CASE("What has no size is read to its end or to the limit") {
  CHECK(contains(message([] { read_file("/dev/zero", 100'000); }), "/dev/zero: larger than the limit of 100000 bytes"));
  CHECK(read_file("/dev/null").empty());
}

TEST_CASE("A file that cannot be read is named with the reason") {
  scratch_folder folder;
  const auto path = folder / "missing";
  CHECK(message([&] { read_file(path); }) == path + ": cannot open: No such file or directory");
  CHECK(message([&] { read_file(folder.path); }) == folder.path.string() + ": cannot read: Is a directory");
}

TEST_CASE("Writing atomically makes, replaces and leaves nothing else behind") {
  scratch_folder folder;
  const auto path = folder / "a";
  write_file_atomically(path, "first, and longer");
  CHECK(content(path) == "first, and longer");
  const std::string one = "se", two = "cond";
  const std::vector<std::span<const std::byte>> chunks{
      std::as_bytes(std::span(one)), {}, std::as_bytes(std::span(two))};
  write_file_atomically(path, chunks);
  CHECK(content(path) == "second");
  write_file_atomically(path, [](atomic_file&) {});
  CHECK(content(path).empty());
  CHECK(folder.files() == 1);
}

TEST_CASE("The old file is there until the new one is complete") {
  scratch_folder folder;
  const auto path = folder / "a";
  write_file_atomically(path, "old");
  write_file_atomically(path, [&](atomic_file& file) {
    file.write("new");
    CHECK(content(path) == "old");
  });
  CHECK(content(path) == "new");
}

TEST_CASE("A writer that throws leaves the old file untouched") {
  scratch_folder folder;
  const auto path = folder / "a";
  write_file_atomically(path, "old");
  const auto writer = [](atomic_file& file) {
    file.write("half of the");
    throw std::runtime_error("stop");
  };
  CHECK_THROWS_WITH(write_file_atomically(path, writer), "stop");
  CHECK(content(path) == "old");
  CHECK(folder.files() == 1);
  CHECK_THROWS_WITH(write_file_atomically(folder / "b", writer), "stop");
  CHECK(folder.files() == 1);
}

TEST_CASE("What a killed writer left is taken over") {
  scratch_folder folder;
  const auto path = folder / "a";
  std::ofstream(path + ".advprop-tmp") << "a rather long piece of an unfinished file";
  write_file_atomically(path, "new");
  CHECK(content(path) == "new");
  CHECK(folder.files() == 1);
}

TEST_CASE("Permissions of a replaced file stay, and a symbolic link is written through") {
  scratch_folder folder;
  const auto path = folder / "a", link = folder / "link";
  write_file_atomically(path, "old");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("a", link);
  write_file_atomically(link, "new");
  CHECK(fs::is_symlink(link));
  CHECK(content(path) == "new");
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(folder.files() == 2);

  fs::create_symlink("nowhere", folder / "dangling");
  CHECK(
      contains(message([&] { write_file_atomically(folder / "dangling", "x"); }), "dangling: cannot follow the link"));
}

TEST_CASE("A missing folder is named, and so is a target that is not a file") {
  scratch_folder folder;
  const auto path = folder / "missing/a";
  CHECK(message([&] { write_file_atomically(path, "x"); }) ==
        path + ": cannot open its folder: No such file or directory");
  CHECK(message([&] { write_file_atomically(folder.path, "x"); }) ==
        folder.path.string() + ": cannot replace: not a regular file");
  const auto pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(message([&] { write_file_atomically(pipe, "x"); }) == pipe + ": cannot replace: not a regular file");
  CHECK(folder.files() == 1);
}

TEST_CASE("A folder without write permission is an error and keeps its files") {
  scratch_folder folder;
  const auto path = folder / "a";
  write_file_atomically(path, "old");
  fs::permissions(folder.path, fs::perms(0555));
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);  // root may write anywhere
    ::_exit(message([&] { write_file_atomically(path, "new"); }) == path + ": cannot create: Permission denied" ? 0
                                                                                                                : 1);
  }
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(content(path) == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("A full disk is named as the reason") {
  const detail::descriptor full("name", "/dev/full", O_WRONLY, "cannot open");
  CHECK(message([&] { full.write(std::as_bytes(std::span("x"))); }) == "name: cannot write: No space left on device");
}

TEST_CASE("A file that cannot grow leaves the old one, and no temporary one") {
  scratch_folder folder;
  const auto path = folder / "a";
  const std::string old(3000, 'o');
  write_file_atomically(path, old);

  ::rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const ::rlimit small{4096, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto text = message([&] { write_file_atomically(path, std::string(10'000, 'n')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);

  CHECK(text == path + ": cannot write: File too large");
  CHECK(content(path) == old);
  CHECK(folder.files() == 1);
}

TEST_CASE("Writers of one path take turns") {
  scratch_folder folder;
  const auto path = folder / "a";
  write_file_atomically(path, std::string(1, 'a'));
  std::atomic<int> failures{0}, running{3};
  std::vector<std::thread> writers;
  for (int w = 0; w < 3; ++w)
    writers.emplace_back([&, w] {
      for (int i = 0; i < 20; ++i) {
        try {
          write_file_atomically(path, [&](atomic_file& file) {
            for (int part = 0; part < 4; ++part)
              file.write(std::string(5000u * static_cast<unsigned>(w + 1), char('a' + w)));
          });
        } catch (const file_error&) {
          ++failures;
        }
      }
      --running;
    });
  int mixed = 0;
  do {
    const auto text = content(path);
    const auto whole = text.size() == 1 ? 1 : 20'000u * static_cast<unsigned>(text[0] - 'a' + 1);
    if (text != std::string(whole, text[0])) ++mixed;
  } while (running > 0);
  for (auto& w : writers) w.join();
  CHECK(failures == 0);
  CHECK(mixed == 0);
  CHECK(folder.files() == 1);
}

}  // namespace file_test
