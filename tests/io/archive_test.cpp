#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include <advprop/io/archive.hpp>

namespace archive_test {

using namespace advprop;

namespace {

archive reread(const archive_writer& writer, std::vector<std::byte>& bytes) {
  bytes = writer.bytes();
  return archive(safetensors::parse(bytes, "f"));
}

}  // namespace

TEST_CASE("Integers, bools and texts come back exactly") {
  archive_writer writer;
  writer.put("least", INT64_MIN);
  writer.put("most", UINT64_MAX);
  writer.put("int", -3);
  writer.put("yes", true);
  writer.put("no", false);
  writer.put("text", "a literal");
  writer.put("json", std::string(R"({"loss": [1, 2]})"));
  writer.put("empty", "");
  std::vector<std::byte> bytes;
  const auto a = reread(writer, bytes);
  CHECK(a.get<std::int64_t>("least") == INT64_MIN);
  CHECK(a.get<std::uint64_t>("most") == UINT64_MAX);
  CHECK(a.get<int>("int") == -3);
  CHECK(a.get<bool>("yes"));
  CHECK_FALSE(a.get<bool>("no"));
  CHECK(a.get<std::string>("text") == "a literal");
  CHECK(a.get<std::string>("json") == R"({"loss": [1, 2]})");
  CHECK(a.get<std::string>("empty").empty());
  CHECK(a.has("int"));
  CHECK_FALSE(a.has("long"));
}

TEST_CASE("Floats and doubles come back with the same bits") {
  const std::vector<std::uint32_t> floats{0, 0x80000000u, 1, 0x3dcccccdu, 0x7f800000u, 0xffc01234u, 0x7fc00000u};
  const std::vector<std::uint64_t> doubles{
      0, std::uint64_t{1} << 63, 1, 0x3fb999999999999au, 0x7ff0000000000000u, 0xfff8000000001234u};
  archive_writer writer;
  for (const auto bits : floats) writer.put("f" + std::to_string(bits), std::bit_cast<float>(bits));
  for (const auto bits : doubles) writer.put("d" + std::to_string(bits), std::bit_cast<double>(bits));
  CHECK(writer.metadata.at("d1") == "0x0000000000000001");
  std::vector<std::byte> bytes;
  const auto a = reread(writer, bytes);
  for (const auto bits : floats) CHECK(std::bit_cast<std::uint32_t>(a.get<float>("f" + std::to_string(bits))) == bits);
  for (const auto bits : doubles)
    CHECK(std::bit_cast<std::uint64_t>(a.get<double>("d" + std::to_string(bits))) == bits);
}

TEST_CASE("A random stream goes on where it stopped") {
  advprop::random_stream before(UINT64_MAX, 7);
  before = before.split(9);
  before.skip((std::uint64_t{1} << 63) + 5);
  archive_writer writer;
  writer.put("rng", before);
  std::vector<std::byte> bytes;
  auto after = reread(writer, bytes).get<advprop::random_stream>("rng");
  CHECK(after.seed() == before.seed());
  CHECK(after.stream() == before.stream());
  CHECK(after.position() == before.position());
  CHECK(after.next() == before.next());
}

TEST_CASE("An archive holds arrays beside scalars, in one file") {
  const std::vector<float> velocity{0.5f, -0.f};
  archive_writer writer;
  writer.add("optimizer.velocity", {2}, velocity);
  writer.add("history.loss", {3}, std::vector<double>{0.1, 0.2, 0.3});
  writer.put("step", 12);
  std::vector<std::byte> bytes;
  const auto a = reread(writer, bytes);
  CHECK(a.values<float>("optimizer.velocity") == velocity);
  CHECK(a.values<double>("history.loss") == std::vector<double>{0.1, 0.2, 0.3});
  CHECK(a.get<int>("step") == 12);
}

TEST_CASE("A missing key and one of another type are errors that name file and key") {
  archive_writer writer;
  writer.put("text", "12 months");
  writer.put("large", std::int64_t{1} << 40);
  writer.put("negative", -1);
  writer.put("float", 1.5f);
  writer.put("double", 1.5);
  writer.metadata["bits"] = "0x-0000001";
  writer.metadata["rng"] = "1 2 3 ";
  writer.metadata["pair"] = "1 2";
  CHECK_THROWS_WITH_AS(writer.put("text", 1), "archive: key 'text' is taken", argument_error);
  std::vector<std::byte> bytes;
  const auto a = reread(writer, bytes);
  CHECK_THROWS_WITH_AS(a.get<int>("absent"), "f: has no key 'absent'", file_error);
  CHECK_THROWS_WITH_AS(a.values<float>("absent"), "f: has no tensor 'absent'", file_error);
  CHECK_THROWS_WITH_AS(a.get<int>("text"), "f: key 'text' is '12 months', not an integer in range", file_error);
  CHECK_THROWS_WITH_AS(a.get<int>("large"), "f: key 'large' is '1099511627776', not an integer in range", file_error);
  CHECK_THROWS_AS(a.get<std::uint64_t>("negative"), file_error);
  CHECK_THROWS_AS(a.get<int>("float"), file_error);
  CHECK_THROWS_WITH_AS(a.get<double>("float"), "f: key 'float' is '0x3fc00000', not the bits of a double", file_error);
  CHECK_THROWS_WITH_AS(a.get<float>("double"), "f: key 'double' is '0x3ff8000000000000', not the bits of a float",
                       file_error);
  CHECK_THROWS_AS(a.get<float>("bits"), file_error);
  CHECK_THROWS_AS(a.get<bool>("large"), file_error);
  CHECK_THROWS_AS(a.get<advprop::random_stream>("rng"), file_error);
  CHECK_THROWS_AS(a.get<advprop::random_stream>("pair"), file_error);
}

}  // namespace archive_test
