// The definitions of progress.hpp (core/linkage.hpp).
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <advprop/io/progress.hpp>

namespace advprop {

ADVPROP_API progress_output progress_output::to(std::FILE* file) {
  return {[file](std::string_view text) {
            std::fwrite(text.data(), 1, text.size(), file);
            std::fflush(file);
          },
          [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); },
          [file] {
            const char* term = std::getenv("TERM");
            if (!isatty(fileno(file)) || (term && std::string_view(term) == "dumb")) return 0;
            winsize size{};
            return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? int{size.ws_col} : 80;
          }};
}

ADVPROP_API std::string progress_bar(double share, int width) {
  static constexpr const char* parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::clamp(share, 0., 1.) * 8 * width + 1e-9);
  std::string text = "▕";
  for (int i = 0; i < eighths / 8; ++i) text += "█";
  text += parts[eighths % 8];
  for (int i = (eighths + 7) / 8; i < width; ++i) text += " ";
  return text + "▏";
}

ADVPROP_API progress::progress(progress_output output, std::string title)
    : output_(std::move(output)),
      title_(title.empty() ? "" : std::move(title) + "  "),
      terminal_(output_.columns() > 0) {
  last_line_ = output_.clock();
}

ADVPROP_API void progress::update(const progress_state& state) {
  const double now = output_.clock();
  measure(state, now);
  if (terminal_ && (!drawn_ || now - last_draw_ >= 0.1)) {
    output_.write("\r" + bar_line(state, output_.columns() - 1) + "\x1b[K");  // a full last column would wrap
    drawn_ = true;
    last_draw_ = now;
  } else if (!terminal_ && now - last_line_ >= 10) {
    line("epoch " + epoch_of(state) + ": " + std::to_string(percent(state)) + "%" + details(state, true));
  }
}

ADVPROP_API void progress::finish_epoch(const progress_state& state) {
  const double now = output_.clock();
  if (!epoch_seen_ || state.epoch != epoch_) measure(state, now);
  const double seconds = updated_ - epoch_begin_;
  line("epoch " + epoch_of(state) + ":" + (seconds > 0 ? " " + duration(seconds) : std::string(" done")) +
       details(state, state.epoch < state.epochs));
}

ADVPROP_API void progress::measure(const progress_state& state, double now) {
  const auto done = run_images(state);
  if (!epoch_seen_) run_begin_ = now, run_done_ = done;
  if (!epoch_seen_ || state.epoch != epoch_) epoch_begin_ = now, epoch_done_ = done;
  epoch_seen_ = true;
  epoch_ = state.epoch;
  updated_ = now;
  done_ = done;
}

ADVPROP_API int progress::percent(const progress_state& s) {
  return s.total > 0 ? static_cast<int>(std::clamp<std::int64_t>(100 * s.images / s.total, 0, 100)) : 0;
}

ADVPROP_API std::string progress::epoch_of(const progress_state& s) {
  const std::string of = std::to_string(s.epochs), at = std::to_string(s.epoch);
  return std::string(of.size() > at.size() ? of.size() - at.size() : 0, ' ') + at + "/" + of;
}

ADVPROP_API std::string progress::losses(const progress_state& s) {
  std::string text;
  for (const auto& l : s.losses)
    text += (text.empty() ? "loss " : " ") + (l.name.empty() ? "" : l.name + " ") +
            (l.value < 1e4 ? fixed(l.value, 3) : significant(l.value, 4));
  return text;
}

ADVPROP_API std::string progress::accuracies(const progress_state& s) {
  std::string text;
  for (const auto& a : s.accuracies)
    text += (text.empty() ? "accuracy " : " ") + (a.name.empty() ? "" : a.name + " ") + fixed(100 * a.value, 1) + "%";
  return text;
}

ADVPROP_API std::string progress::speed() const {
  const double seconds = updated_ - epoch_begin_;
  if (!(seconds > 0) || done_ <= epoch_done_) return {};
  const double rate = static_cast<double>(done_ - epoch_done_) / seconds;
  return (rate < 10 ? fixed(rate, 1) : grouped(static_cast<std::int64_t>(rate + 0.5))) + " images/s";
}

ADVPROP_API std::string progress::left(const progress_state& s) const {
  const double seconds = output_.clock() - run_begin_;
  if (!(seconds > 0) || done_ <= run_done_) return {};
  const double remaining = static_cast<double>(std::max<std::int64_t>(0, s.total * s.epochs - done_));
  return duration(seconds * remaining / static_cast<double>(done_ - run_done_)) + " left";
}

ADVPROP_API std::string progress::details(const progress_state& s, bool with_time_left) const {
  std::string text;
  for (const auto& piece : {losses(s), accuracies(s), speed(), with_time_left ? left(s) : std::string()})
    if (!piece.empty()) text += ", " + piece;
  return text;
}

ADVPROP_API std::string progress::bar_line(const progress_state& s, int width) const {
  constexpr int least = 10, most = 30;
  const std::string head = title_ + "epoch " + epoch_of(s) + " ";
  const std::string share = std::to_string(percent(s)) + "%";
  const std::string percentage = std::string(5 - share.size(), ' ') + share;
  std::string pieces[] = {losses(s), accuracies(s), speed(), left(s)};
  const auto rest = [&] {
    int columns = code_points(head) + 2 + code_points(percentage);
    for (const auto& p : pieces) columns += p.empty() ? 0 : 2 + code_points(p);
    return columns;
  };
  for (const int dropped : {2, 1, 3, 0})
    if (rest() + least > width) pieces[dropped].clear();
  const int room = width - rest();
  if (room < 1) return shortened(head + share, width);
  std::string text = head +
                     progress_bar(s.total > 0 ? static_cast<double>(s.images) / static_cast<double>(s.total) : 0,
                                  std::min(room, most)) +
                     percentage;
  for (const auto& p : pieces)
    if (!p.empty()) text += "  " + p;
  return text;
}

}  // namespace advprop
