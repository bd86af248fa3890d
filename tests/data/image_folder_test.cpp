// Image folders: what they list, what they refuse or skip, and that a loader's batches depend on the seed alone.
#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/crops.hpp>
#include <advprop/data/image_folder.hpp>
#include <advprop/data/loader.hpp>

#include "files.hpp"
#include "golden_images.hpp"
#include "image_bytes.hpp"

namespace image_folder_test {

using namespace advprop;
using stream = advprop::random_stream;
using files::bytes;

namespace {

/// 4 x 6 pixels of one colour.
byte_image flat(int value) {
  byte_image image = byte_image::of(4, 6);
  std::fill(image.pixels.begin(), image.pixels.end(), static_cast<std::uint8_t>(value));
  return image;
}

struct class_folders : files::folder {
  void add(const std::string& name, const bytes& content) const {
    std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
    write(name, content);
  }
  void add(const std::string& name, int value) const { add(name, image_bytes::png(flat(value))); }
};

/// Class a: images 10, 11, 12; class b: 20, 21.
void fill(const class_folders& root) {
  for (int i : {10, 11, 12}) root.add("a/" + std::to_string(i) + ".png", i);
  for (int i : {20, 21}) root.add("b/" + std::to_string(i) + ".png", i);
}

std::vector<int> values(const image_folder& f) {
  std::vector<int> result;
  for (int i = 0; i < f.size(); ++i) result.push_back(f.decode(i).pixels[0]);
  return result;
}
std::vector<int> labels(const image_folder& f) {
  std::vector<int> result;
  for (int i = 0; i < f.size(); ++i) result.push_back(f.label(i));
  return result;
}

const bytes text = {'n', 'o', ' ', 'i', 'm', 'a', 'g', 'e', '.'};
bytes cut(const bytes& content) { return bytes(content.begin(), content.end() - 20); }
const auto as_is = [](byte_image&, stream&) {};
const auto first_pixels = [](byte_image& image, stream&) { image = crop(image, {0, 0, 4, 4}); };

}  // namespace

TEST_CASE("classes and images come in byte order; extensions of any case, deeper folders, nothing else") {
  const class_folders root;
  root.add("b/1.png", 1);
  root.add("a/z.JPG", image_bytes::jpeg(flat(2)));
  root.add("a/Z.JpEg", image_bytes::jpeg(flat(3)));
  root.add("a/10.png", 4);
  root.add("a/9.PNG", 5);
  root.add("a/\xc3\xa9.png", 6);  // bytes are unsigned: after all of ASCII
  root.add("a/deep/0.png", 7);
  root.add("a/notes.txt", text);
  root.add("a/png", text);
  root.add("Z/1.png", 8);
  root.add("a/.ipynb_checkpoints/1-checkpoint.png", 10);  // hidden: programs' copies and previews
  root.add("a/._1.png", text);
  std::filesystem::create_directory(root / ".thumbnails");
  root.write("stray.png", image_bytes::png(flat(9)));
  std::filesystem::create_symlink("nowhere", root / "a/dead.txt");
  std::filesystem::create_symlink("nowhere", root / "dead.png");
  const image_folder f(root.path());
  CHECK(f.classes == 3);
  CHECK(f.class_names == std::vector<std::string>{"Z", "a", "b"});
  CHECK(values(f) == std::vector<int>{8, 4, 5, 3, 2, 6, 7, 1});
  CHECK(labels(f) == std::vector<int>{0, 1, 1, 1, 1, 1, 1, 2});
  CHECK(f.path(1) == root / "a/10.png");
  CHECK(f.skipped().empty());
}

TEST_CASE("folders without classes or images are refused by name") {
  const class_folders root;
  const auto refusal = [](const std::string& path, on_broken broken = on_broken::fail) {
    return files::thrown<file_error>([&] { image_folder(path, {.broken = broken}); });
  };
  CHECK(refusal(root / "none") == root / "none" + ": cannot open the folder: No such file or directory");
  CHECK(refusal(root.path()) == root.path() + ": has no class folders");
  root.write("file", text);
  CHECK(refusal(root / "file") == root / "file" + ": cannot open the folder: Not a directory");
  fill(root);
  std::filesystem::create_directory(root / "c");
  CHECK(refusal(root.path()) == root / "c" + ": this class has no .jpg, .jpeg or .png image");
  root.add("c/text.png", text);
  CHECK(refusal(root.path()) == root / "c/text.png" + ": is neither JPEG nor PNG");
  CHECK(refusal(root.path(), on_broken::skip) == root / "c" + ": every image of this class is broken");
}

TEST_CASE("a broken file fails by name: at listing by its first bytes, else when it is read") {
  const class_folders root;
  fill(root);
  root.add("a/13.JPEG", cut(image_bytes::jpeg(flat(13))));
  const image_folder f(root.path());
  CHECK_THROWS_WITH_AS(f.decode(3),
                       (root / "a/13.JPEG" + ": cannot be decoded as JPEG: Premature end of JPEG file").c_str(),
                       file_error);
  loader l(folder_view(f, {.size = 4}, first_pixels), {.batch = 6, .workers = 2});
  CHECK_THROWS_AS(l.next(), file_error);
  root.add("a/0.jpg", bytes{});
  CHECK_THROWS_WITH_AS(image_folder(root.path()), (root / "a/0.jpg" + ": is empty").c_str(), file_error);
}

TEST_CASE("skipped: left out at listing, replaced by the next of its class later, and told once") {
  const class_folders root;
  fill(root);
  root.add("a/00.png", bytes{});
  root.add("a/01.jpg", text);
  root.add("a/115.png", cut(image_bytes::png(flat(99))));
  root.add("a/13.png", cut(image_bytes::png(flat(99))));
  root.add("b/3.jpg", cut(image_bytes::jpeg(flat(99))));
  const image_folder f(root.path(), {.broken = on_broken::skip});
  const std::vector<std::string> listed = {root / "a/00.png", root / "a/01.jpg"};
  CHECK(f.skipped() == listed);
  CHECK(labels(f) == std::vector<int>{0, 0, 0, 0, 0, 1, 1, 1});
  for (int round = 0; round < 2; ++round) {
    CHECK(values(f) == std::vector<int>{10, 11, 12, 12, 10, 20, 21, 20});  // 10 11 [115] 12 [13] 20 21 [3]
    CHECK(f.skipped() == std::vector<std::string>{root / "a/00.png", root / "a/01.jpg", root / "a/115.png",
                                                  root / "a/13.png", root / "b/3.jpg"});
  }
  CHECK(values(f.subset({2, 0, 7, 5})) == std::vector<int>{10, 10, 20, 20});  // from this subset only
  CHECK_THROWS_WITH_AS(f.subset({2, 4, 6}).decode(0),
                       (root / "a/115.png" + ": is broken, and so is every other image of its class").c_str(),
                       file_error);
}

TEST_CASE("readable: what can be decoded, without stand-ins") {
  const class_folders root;
  fill(root);
  root.add("a/115.png", cut(image_bytes::png(flat(99))));
  CHECK(image_folder(root.path()).readable(2).size() == 6);  // where broken files are fatal they are found when read
  const image_folder f = image_folder(root.path(), {.broken = on_broken::skip}).readable(2);
  CHECK(values(f) == std::vector<int>{10, 11, 12, 20, 21});
  CHECK(f.skipped() == std::vector<std::string>{root / "a/115.png"});
  const class_folders bad;
  bad.add("a/0.png", cut(image_bytes::png(flat(99))));
  CHECK_THROWS_WITH_AS(image_folder(bad.path(), {.broken = on_broken::skip}).readable(1),
                       (bad / "a/0.png" + ": is broken, and so is every other image").c_str(), file_error);
}

TEST_CASE("a dead link to an image is a broken file") {
  const class_folders root;
  fill(root);
  std::filesystem::create_symlink("nowhere", root / "a/105.jpg");
  CHECK_THROWS_WITH_AS(image_folder(root.path()),
                       (root / "a/105.jpg" + ": cannot open: No such file or directory").c_str(), file_error);
  std::filesystem::create_symlink("self.png", root / "a/self.png");
  const image_folder f(root.path(), {.broken = on_broken::skip});
  CHECK(f.skipped() == std::vector<std::string>{root / "a/105.jpg", root / "a/self.png"});
  CHECK(values(f) == std::vector<int>{10, 11, 12, 20, 21});
}

TEST_CASE("links to files, class folders and folders in them are followed, each real folder once a class") {
  const class_folders root, away;
  fill(root);
  away.add("one.png", 30);
  away.add("deep/two.png", 31);
  std::filesystem::create_symlink(away / "one.png", root / "a/13.png");
  std::filesystem::create_directory_symlink(away.path(), root / "c");
  std::filesystem::create_directory_symlink("c", root / "d");
  std::filesystem::create_directory_symlink(away / "deep", root / "b/first");
  std::filesystem::create_directory_symlink(away / "deep", root / "b/second");
  std::filesystem::create_directory_symlink("../a", root / "b/neighbour");
  const image_folder f(root.path());
  CHECK(f.class_names == std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(values(f) == std::vector<int>{10, 11, 12, 30, 20, 21, 31, 10, 11, 12, 30, 30, 31, 30, 31});
  CHECK(labels(f) == std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3});
  CHECK(f.path(6) == root / "b/first/two.png");
}

TEST_CASE("a link that leads back to a folder that it is in is refused by name") {
  const auto refusal = [](const class_folders& root, const std::string& name) {
    for (const on_broken broken : {on_broken::fail, on_broken::skip})
      CHECK_THROWS_WITH_AS(image_folder(root.path(), {.broken = broken}),
                           (root / name + ": a link that leads back to a folder that it is in").c_str(), file_error);
  };
  for (const char* target : {".", "..", "../..", "/", "../a"}) {
    CAPTURE(target);
    const class_folders root;
    fill(root);
    std::filesystem::create_directory_symlink(target, root / "a/loop");
    std::filesystem::create_directory_symlink(target, root / "a/loop2");
    refusal(root, "a/loop");
  }
  const class_folders around;
  fill(around);
  std::filesystem::create_directory_symlink(".", around / "all");
  refusal(around, "all");
  const class_folders mutual;  // b is no folder around a, but reached from it
  fill(mutual);
  std::filesystem::create_directory_symlink("../b", mutual / "a/other");
  std::filesystem::create_directory_symlink("../a", mutual / "b/other");
  refusal(mutual, "a/other/other");
  const class_folders outside, away;  // back through a class that is a link itself
  fill(outside);
  away.add("1.png", 1);
  std::filesystem::create_directory_symlink(away.path(), outside / "c");
  std::filesystem::create_directory_symlink(outside.path(), away / "back");
  refusal(outside, "c/back");
}

TEST_CASE("skipping tells each file once though several threads meet it") {
  const class_folders root;
  fill(root);
  root.add("a/13.png", cut(image_bytes::png(flat(99))));
  const image_folder f(root.path(), {.broken = on_broken::skip});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) f.decode(3);
    });
  for (auto& t : threads) t.join();
  CHECK(f.skipped() == std::vector<std::string>{root / "a/13.png"});
}

TEST_CASE("subsets") {
  const class_folders root;
  fill(root);
  const image_folder f(root.path());
  CHECK(values(f.every(2)) == std::vector<int>{10, 12, 21});
  CHECK(values(f.every(2, 1)) == std::vector<int>{11, 20});
  CHECK(values(f.every(2, 1).every(5)) == std::vector<int>{11});
  CHECK(values(f.take_per_class(1)) == std::vector<int>{10, 20});
  CHECK(values(f.take_per_class(100)) == values(f));
  CHECK(labels(f.subset({4, 0, 4})) == std::vector<int>{1, 0, 1});
  CHECK(f.take_per_class(1).class_names == f.class_names);
  for (const std::vector<int>& bad : {std::vector<int>{}, {5}, {-1}}) CHECK_THROWS_AS(f.subset(bad), argument_error);
  CHECK_THROWS_AS(f.every(0), argument_error);
  CHECK_THROWS_AS(f.every(1, -1), argument_error);
  CHECK_THROWS_AS(f.every(1, 5), argument_error);
  CHECK_THROWS_AS(f.take_per_class(0), argument_error);
}

TEST_CASE("the cache keeps the first images read, within its budget") {
  constexpr std::size_t image_bytes_each = 4 * 6 * 3;
  for (const std::size_t budget : {std::size_t{0}, 2 * image_bytes_each + 1, std::size_t{1} << 20}) {
    CAPTURE(budget);
    const class_folders root;
    fill(root);
    const image_folder f(root.path(), {.cache = budget});
    const image_folder copy = f.every(1);
    const auto before = values(copy);
    for (const char* name : {"a/10.png", "a/11.png", "a/12.png", "b/20.png", "b/21.png"})
      std::filesystem::remove(root / name);
    int kept = 0;
    for (int i = 0; i < f.size(); ++i) {
      try {
        const int value = f.decode(i).pixels[0];
        CHECK(value == before[static_cast<std::size_t>(i)]);
        CHECK(kept++ == i);
      } catch (const file_error&) {  // it must be read again, and is gone
      }
    }
    CHECK(kept == (budget == 0 ? 0 : budget < 1000 ? 2 : 5));
  }
}

TEST_CASE("a view gives images and labels, and refuses a transform of another size") {
  const class_folders root;
  fill(root);
  const image_folder f(root.path());
  const folder_view view(f, {.size = 4}, first_pixels);
  static_assert(random_source<std::remove_const_t<decltype(view)>>);
  CHECK(view.classes == 2);
  CHECK(view.class_names == f.class_names);
  CHECK(view.image() == shape{3, 4, 4});
  const image_batch batch = read_batch(view, 1, 3);
  CHECK(batch.images(0, 3, 3, 2) == 11.0f / 255);
  CHECK(batch.images(2, 0, 0, 0) == 20.0f / 255);
  CHECK(std::vector<int>(batch.labels.begin(), batch.labels.end()) == std::vector<int>{0, 0, 1});
  const folder_view wrong(f, {.size = 4}, as_is);
  float out[48];
  CHECK_THROWS_WITH_AS(wrong.read(0, out), "folder_view: the transform gives 4 x 6 x 3 pixels instead of 4 x 4 x 3",
                       argument_error);
  CHECK_THROWS_AS(folder_view(f, {.size = 0}, as_is), argument_error);
  const folder_view thrown(f, {.size = 4}, [](byte_image&, random_stream&) { fail<argument_error>("too long"); });
  CHECK_THROWS_WITH_AS(thrown.read(2, out), (f.path(2) + ": too long").c_str(), argument_error);
}

TEST_CASE("random transforms: the same bits for any number of workers, others for another epoch, stream and seed") {
  const class_folders root;
  for (int i = 0; i < 7; ++i) {
    root.add("a/" + std::to_string(i) + ".png", image_bytes::png(golden_images::image("rgb")));
    root.add("b/" + std::to_string(i) + ".jpg", golden_images::bytes("jpeg.420.file"));
  }
  root.add("b/3.jpg", cut(golden_images::bytes("jpeg.420.file")));
  const image_folder f(root.path(), {.broken = on_broken::skip});
  const folder_view view(f, {.size = 8}, pipeline(random_resized_crop{8}, horizontal_flip{}));
  const auto run = [&](loader_options options) {
    options.batch = 4;
    loader l(view, options, [](single_image image, stream& rng) { image(0, 0, 0) = rng.uniform(); });
    std::vector<std::vector<float>> batches;
    for (int i = 0; i < 2 * l.batches(); ++i) {
      const image_batch& b = l.next();
      batches.emplace_back(b.images.begin(), b.images.end());
    }
    return batches;
  };
  const auto expected = run({.seed = seed{5}, .workers = 0});
  for (auto [workers, prefetch] : {std::pair{1, 1}, {2, 3}, {4, 2}, {5, 8}})
    CHECK(run({.seed = seed{5}, .workers = workers, .prefetch = prefetch}) == expected);
  CHECK(run({.seed = seed{6}}) != expected);
  CHECK(run({.seed = seed{5}, .augment_stream = 1}) != expected);
  const auto ordered = run({.seed = seed{5}, .shuffle = false});
  for (std::size_t i = 0; i < 4; ++i) CHECK(ordered[i] != ordered[i + 4]);

  loader plain(view, {.batch = 14, .shuffle = false});
  const image_batch first = plain.next();
  CHECK(!std::equal(first.images.begin(), first.images.end(), plain.next().images.begin()));

  // Without a loader, an image is the same each time, and images differ.
  std::vector<float> a(192), b(192), c(192);
  view.read(0, a.data());
  view.read(0, b.data());
  view.read(1, c.data());
  CHECK(a == b);
  CHECK(a != c);
}

}  // namespace image_folder_test
