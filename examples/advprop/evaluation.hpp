// Checkpoints side by side: what is asked of them, and what was measured.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <advprop/io/report/run.hpp>

#include "checkpoint.hpp"
#include "evaluation_attack.hpp"
#include "evaluation_sets.hpp"
#include "scored_images.hpp"
#include "settings.hpp"

namespace advprop::program {

/// A checkpoint that is evaluated through one domain.
struct contender {
  std::string name, model, domain, normalization;
  checkpoint_facts file;
  channel_statistics numbers;  // what `normalization` names
  int through = 0;
  std::string content;  // a hash of the file

  /// What its measurements are filed under: another file, network, domain or input stage has others.
  std::string key() const { return model + ":" + content + ":" + domain + ":" + normalization; }
};

struct attacked {
  strength how;
  attack_scores scores;
};

/// What was measured of one.
struct standing {
  contender who;
  std::vector<image_scores> sets;  // one for each set of the evaluation
  std::vector<attacked> attacks;
  std::vector<std::string> skipped;  // broken files
};

struct evaluation_result {
  std::vector<viewed_set> sets;
  std::vector<standing> standings;
  image_source test;
  std::vector<std::string> logit_names;
  bool imagenet = false;  // images in folders: AlexNet's errors are what mCE is relative to
};

/// The mean error of a checkpoint over corruptions, as benchmarks define it.
struct corruption_summary {
  bool complete = false;  // all severities of the 15 that count
  double mean = 0;        // plain, over whatever was measured
  double mce = 0, relative_mce = 0;
  std::map<robustness::corruption, double> by_corruption;  // over its severities
  int severities = 0;                                      // of each
};
/// Those that means are taken over: of the 15 of the benchmarks, or of the others where there is none of the 15.
std::vector<robustness::corruption> counted_corruptions(const std::vector<robustness::corruption>& measured);
corruption_summary summary_of(const evaluation_result& r, const standing& s);
/// Of what is counted: "15 corruptions", "3 of 15 corruptions", or of those beside the 15, "2 other corruptions".
std::string told_of_kinds(const std::vector<robustness::corruption>& counted);
/// The mean's name: benchmarks' "mean corruption error" is that of all 15.
std::string mean_error_name(const corruption_summary& s);

/// The clean test images by true class, and by what the network takes them for.
confusion_matrix confusion_of(const evaluation_result& r, const standing& s);

/// Errors by corruption and severity, with the means; and the first test image, corrupted in every way at a middle
/// severity.
heat_map errors_of(const evaluation_result& r, const standing& s);
picture_group samples_of(const evaluation_result& r);

/// All conventions that the figures depend on, by name.
metrics_entry conventions(const settings& s, const evaluation_result& r);

/// What speaks against the figures: broken files, and lines that name checkpoint and attack.
std::vector<std::string> warnings_of(const evaluation_result& r);

/// For programs to read.
metrics_entry evaluation_json(const settings& s, const evaluation_result& r);
std::string evaluation_csv(const evaluation_result& r);
/// What each checkpoint takes each clean test image for.
std::string predictions_csv(const evaluation_result& r);
/// For people.
report evaluation_page(const settings& s, const evaluation_result& r);
std::string evaluation_table(const evaluation_result& r);
/// "[88.11, 89.36]", Wilson's bounds of 95 % confidence in percent.
std::string interval_text(double share, int images);

/// Measures what the settings ask for of these checkpoints, going on where an earlier process stopped.
evaluation_result run_evaluation(const settings& s, const std::vector<checkpoint_facts>& files);

}  // namespace advprop::program
