// How much of a long piece of work is done, and how long the rest will take.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include <advprop/io/progress.hpp>
#include <advprop/io/text.hpp>

namespace advprop::program {

/// On a terminal one line, redrawn at most 10 times a second; elsewhere a line at most every 10 seconds.
class work_bar {
 public:
  /// Of `total`, in any unit, `done` is done by earlier processes, which says nothing about the speed of this one.
  work_bar(progress_output output, double total, double done)
      : output_(std::move(output)),
        terminal_(output_.columns() > 0),
        total_(total),
        before_(done),
        done_(done),
        begin_(output_.clock()),
        last_(begin_) {}
  work_bar(const work_bar&) = delete;
  work_bar& operator=(const work_bar&) = delete;
  ~work_bar() { clear(); }

  /// So much more is done of what `label` names.
  void add(const std::string& label, double more) {
    done_ += more;
    const double now = output_.clock(), share = total_ > 0 ? done_ / total_ : 1;
    if (now - last_ < (terminal_ ? 0.1 : 10)) return;
    last_ = now;
    const std::string percent = std::to_string(static_cast<int>(100 * std::min(share, 1.0))) + "%";
    const std::string left = duration((now - begin_) * std::max(0., total_ - done_) / (done_ - before_)) + " left";
    if (!terminal_) return output_.write(label + ": " + percent + ", " + left + "\n");
    const int width = output_.columns() - 1, room = width - code_points(label + percent + left) - 8;
    const std::string line = room < 10
                                 ? shortened(label + " " + percent + ", " + left, width)
                                 : label + " " + progress_bar(share, std::min(room, 30)) + " " + percent + "  " + left;
    output_.write("\r" + line + "\x1b[K");
    drawn_ = true;
  }

  /// A line that stays.
  void message(const std::string& text) {
    clear();
    output_.write(text + "\n");
  }

 private:
  void clear() {
    if (drawn_) output_.write("\r\x1b[K");
    drawn_ = false;
  }

  progress_output output_;
  bool terminal_, drawn_ = false;
  double total_, before_, done_, begin_, last_;
};

}  // namespace advprop::program
