#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <string>
#include <utility>

#include <advprop/io/progress.hpp>

namespace progress_test {

using namespace advprop;

namespace {

/// What was written, under a clock and a width that the test sets.
struct screen {
  std::string text;
  double now = 1000;
  int width = 0;

  progress_output output() {
    return {[this](std::string_view s) { text += s; }, [this] { return now; }, [this] { return width; }};
  }
  std::string take() { return std::exchange(text, {}); }
};

progress_state state(int epoch, int images) {
  return {epoch, 3, images, 1000, {{"clean", 0.4123}, {"adversarial", 1.5}}, {{"", 0.851}}};
}

}  // namespace

TEST_CASE("without a terminal there is a line at most every ten seconds and one for every epoch") {
  screen s;
  {
    progress p(s.output());
    p.update(state(1, 100));
    s.now += 9.9;
    p.update(state(1, 200));
    CHECK(s.take() == "");
    s.now += 0.1;
    p.update(state(1, 300));
    CHECK(s.take() == "epoch 1/3: 30%, loss clean 0.412 adversarial 1.500, accuracy 85.1%, 20 images/s, 2:15 left\n");
    s.now += 5;
    p.update(state(1, 1000));
    CHECK(s.take() == "");
    s.now += 15;  // an evaluation: counts for the time left, not for the speed
    auto done = state(1, 1000);
    done.accuracies = {{"train", 0.851}, {"test", 0.8}};
    p.finish_epoch(done);
    CHECK(s.take() ==
          "epoch 1/3: 15 s, loss clean 0.412 adversarial 1.500, accuracy train 85.1% test 80.0%, 60 images/s, 1:07 "
          "left\n");
    s.now += 9;
    p.update(state(2, 100));
    CHECK(s.take() == "");
    s.now += 1;
    p.update(state(2, 200));
    CHECK(s.take() == "epoch 2/3: 20%, loss clean 0.412 adversarial 1.500, accuracy 85.1%, 100 images/s, 1:05 left\n");
    p.finish_epoch(state(3, 1000));
    CHECK(s.take() == "epoch 3/3: done, loss clean 0.412 adversarial 1.500, accuracy 85.1%\n");
    p.message("saved");
    CHECK(s.take() == "saved\n");
  }
  CHECK(s.take() == "");
}

TEST_CASE("on a terminal one line is redrawn at most ten times a second and taken away at the end") {
  screen s;
  s.width = 121;
  {
    progress p(s.output(), "AdvProp");
    p.update(state(1, 0));
    CHECK(s.take() ==
          "\rAdvProp  epoch 1/3 ▕                              ▏   0%"
          "  loss clean 0.412 adversarial 1.500  accuracy "
          "85.1%\x1b[K");
    for (int i = 1; i < 10; ++i) {
      s.now += 0.0109;
      p.update(state(1, i));
    }
    CHECK(s.take() == "");
    s.now += 10 - 9 * 0.0109;
    p.update(state(1, 510));
    CHECK(s.take() ==
          "\rAdvProp  epoch 1/3 ▕█████████▏        ▏  51%"
          "  loss clean 0.412 adversarial 1.500  accuracy 85.1%  51 "
          "images/s  49 s left\x1b[K");
    p.message("a word");
    CHECK(s.take() == "\r\x1b[KAdvProp  a word\n");
    p.update(state(1, 511));  // gone, so drawn again at once
    CHECK(s.text.substr(0, 10) == "\rAdvProp  ");
    s.take();
    s.now += 10;
    p.update(state(1, 1000));
    s.take();
    p.finish_epoch(state(1, 1000));
    CHECK(s.take() ==
          "\r\x1b[KAdvProp  epoch 1/3: 20 s, loss clean 0.412 adversarial 1.500, accuracy 85.1%, 50 images/s, 40 s "
          "left\n");
    p.update(state(2, 0));
    s.take();
  }
  CHECK(s.take() == "\r\x1b[K");
}

TEST_CASE("the line fits a terminal of any width, and the width may change") {
  screen s;
  s.width = 200;
  progress p(s.output());
  p.update(state(2, 0));
  for (int width = 200; width > 1; --width) {
    s.width = width;
    s.now += 1;
    s.take();
    p.update(state(2, 1000 - width));
    REQUIRE(s.text.size() > 4);
    const std::string line = s.text.substr(1, s.text.size() - 4);
    CHECK(code_points(line) <= width - 1);
    CHECK((line.find("▕") != std::string::npos) == (width > 18));
    if (width > 110) CHECK(line.find("images/s") != std::string::npos);
    if (width > 75) CHECK(line.find("loss clean") != std::string::npos);
  }
}

TEST_CASE("odd states neither crash nor divide by zero") {
  screen s;
  s.width = 80;
  progress p(s.output());
  progress_state odd;
  p.update(odd);
  CHECK(s.take() == "\repoch 1/1 ▕                              ▏   0%\x1b[K");
  odd = {12, 100, 70, 50, {{"clean", std::numeric_limits<double>::quiet_NaN()}}, {}};
  s.now += 1;
  p.update(odd);
  CHECK(s.take() == "\repoch  12/100 ▕██████████████████████████████▏ 100%  loss clean nan  7 s left\x1b[K");
  p.finish_epoch({1, 1, 70, 70, {{"clean", 1.25e30}}, {}});
  CHECK(s.take() == "\r\x1b[Kepoch 1/1: done, loss clean 1.25e+30\n");
}

TEST_CASE("a file is not a terminal") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file);
  {
    progress p(file);
    p.update(state(1, 10));
    p.finish_epoch(state(1, 1000));
  }
  std::rewind(file);
  char text[200] = {};
  const auto size = std::fread(text, 1, sizeof text - 1, file);
  CHECK(std::string(text, size).substr(0, 11) == "epoch 1/3: ");
  CHECK(std::string(text, size).find('\r') == std::string::npos);
  std::fclose(file);
}

}  // namespace progress_test
