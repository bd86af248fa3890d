// What a report shows, as plain structs.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <advprop/io/png.hpp>

namespace advprop {

struct point {
  double x = 0, y = 0;
  double spread = 0;  ///< a band is drawn from y - spread to y + spread, where some point of a curve has one
};

/// A named line; points that are not finite leave a gap.
struct curve {
  std::string name;
  std::vector<point> points;
};

/// counts[truth * classes + predicted].
struct confusion_matrix {
  std::vector<std::string> classes;
  std::vector<std::int64_t> counts;
};

/// One number of the result table. A unit of "%" takes a fraction in [0, 1] and writes it in percent.
struct measurement {
  std::string name;
  double value = 0;
  std::string unit = "%";
  bool less_is_better = false;
  std::string detail{};  ///< what stands small behind it, such as "± 0.41"
};

/// Texts, the first of each row its name.
struct text_table {
  std::string title;
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
  std::string note{};  ///< a paragraph below
};

/// What the network says of one image.
struct prediction {
  std::string label;
  double confidence = 0;  ///< in [0, 1]
};

/// One image and what an attack made of it; `to_picture` and `perturbation_picture` make the pictures.
struct picture_row {
  std::string truth;
  picture clean, perturbation, adversarial;
  prediction clean_prediction, adversarial_prediction;
};

struct picture_gallery {
  std::string attack;        ///< such as "PGD-10, ε = 8"
  double magnification = 1;  ///< of the perturbation in its picture
  std::vector<picture_row> rows;
};

/// Fractions in a table, drawn in colours: values[row * columns + column]; what is not finite was not measured.
struct heat_map {
  std::vector<std::string> rows, columns;
  std::string x_label;
  std::vector<double> values;
};

/// Pictures with a line or two of text under each.
struct picture_group {
  struct entry {
    picture image;
    std::string title, text;
  };
  std::string title;
  std::vector<entry> pictures;
};

/// One run. Whatever is empty is left out of the page.
struct run_report {
  std::string name;                                           ///< such as the method
  std::vector<measurement> results;                           ///< the page's first numbers
  std::vector<std::pair<std::string, std::string>> settings;  ///< name, value
  std::vector<curve> losses, accuracies;                      ///< over epochs, one per domain; accuracies in [0, 1]
  std::vector<point> learning_rate;                           ///< over epochs
  std::vector<curve> robustness;                              ///< accuracy over ε in pixels of 255, one an attack
  confusion_matrix confusion;
  picture_gallery pictures;
  heat_map corruption_errors;           ///< of each corruption and severity; runs are compared by the last column
  std::vector<picture_group> mistakes;  ///< the images that it is surest of, and wrong
};

struct report {
  std::string title, subtitle;
  std::vector<run_report> runs;      ///< one: a run's own page; several: compared, in this order and these colours
  std::vector<std::string> notes;    ///< paragraphs at the end
  picture_group samples{};           ///< what was looked at, such as an image corrupted in every way
  std::vector<text_table> tables{};  ///< behind the first numbers, such as those of each seed
};

}  // namespace advprop
