// A progress bar where the output is a terminal, plain lines where it is not.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/io/text.hpp>

namespace advprop {

struct named_value {
  std::string name;
  double value = 0;
};

/// How far training is. `images` of `total` are done in epoch `epoch` (from 1) of `epochs`.
struct progress_state {
  int epoch = 1, epochs = 1;
  std::int64_t images = 0, total = 0;
  std::vector<named_value> losses;      ///< one per domain: {"clean", 0.41}
  std::vector<named_value> accuracies;  ///< fractions in [0, 1]; one with an empty name is just "accuracy"
};

/// Where progress goes. The members may be replaced, which is how it is tested.
struct progress_output {
  std::function<void(std::string_view)> write;
  std::function<double()> clock;  ///< seconds since any fixed moment, never going back
  std::function<int()> columns;   ///< the terminal's width now; 0 where there is no terminal

  /// Writes to `file`, which the caller keeps open; a terminal that cannot move its cursor (TERM=dumb) is none.
  static progress_output to(std::FILE* file);
};

/// `width` cells between two edges, of which a share in [0, 1] is filled, by eighths.
ADVPROP_API std::string progress_bar(double share, int width);

/// Shows training's progress: on a terminal one line redrawn at most 10 times a second, elsewhere a line at most every
/// 10 seconds; in both a line that stays for every finished epoch. Destruction leaves the cursor on a clean line.
class progress {
 public:
  /// `title` heads every line; pass "" for none.
  explicit progress(progress_output output, std::string title = {});
  explicit progress(std::FILE* file, std::string title = {}) : progress(progress_output::to(file), std::move(title)) {}
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() {
    try {
      clear();
    } catch (...) {  // a destructor has nobody to tell
    }
  }

  /// Call it after every step: it is a look at the clock unless something is due. The first call of an epoch starts
  /// the measurement of its speed, so that a pause for evaluation between epochs does not count.
  void update(const progress_state& state);

  /// Writes the epoch's line, which stays. Call it when the state holds what the epoch ended with.
  void finish_epoch(const progress_state& state);

  /// Writes a line of text; on a terminal it appears above the bar.
  void message(std::string_view text) { line(text); }

  /// Takes the bar away: the cursor stands at the beginning of an empty line.
  void clear() {
    if (drawn_) output_.write("\r\x1b[K");
    drawn_ = false;
  }

 private:
  void line(std::string_view text) {
    clear();
    output_.write(title_ + std::string(text) + "\n");
    last_line_ = output_.clock();
  }

  void measure(const progress_state& state, double now);

  static std::int64_t run_images(const progress_state& s) { return s.total * (s.epoch - 1) + s.images; }
  static int percent(const progress_state& s);
  static std::string epoch_of(const progress_state& s);

  static std::string losses(const progress_state& s);
  static std::string accuracies(const progress_state& s);
  /// Images a second of this epoch, without the pauses between epochs.
  std::string speed() const;
  /// Time left at the whole run's pace, pauses for evaluation included.
  std::string left(const progress_state& s) const;
  std::string details(const progress_state& s, bool with_time_left) const;

  /// Fits `width` columns: first the bar shrinks, then speed, accuracy, time left and losses go, then the text is cut.
  std::string bar_line(const progress_state& s, int width) const;

  progress_output output_;
  std::string title_;
  bool terminal_, drawn_ = false, epoch_seen_ = false;
  int epoch_ = 0;
  double last_draw_ = 0, last_line_ = 0, run_begin_ = 0, epoch_begin_ = 0, updated_ = 0;
  std::int64_t run_done_ = 0, epoch_done_ = 0, done_ = 0;
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/progress.inl>
#endif
