// An evaluation as numbers: summary, JSON, CSV, a table in text.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include <advprop/core/uncertainty.hpp>
#include <advprop/io/text.hpp>
#include <advprop/robustness/scores.hpp>

#include "data.hpp"
#include "evaluation.hpp"
#include "table.hpp"

namespace advprop::program {

namespace {

using kind = viewed_set::kind;

metrics_entry scores_json(const image_scores& r) {
  metrics_entry j = to_json(r);
  for (const char* long_list : {"surest_mistakes", "predicted", "confidence"}) j.erase(long_list);
  j["error"] = r.error();
  j["error_top5"] = r.top5_error();
  return j;
}

/// With the accuracy of every class.
metrics_entry clean_json(const evaluation_result& r, const standing& s) {
  metrics_entry j = scores_json(s.sets[0]);
  const confusion_matrix m = confusion_of(r, s);
  const std::size_t classes = m.classes.size();
  for (std::size_t k = 0; k < classes; ++k) {
    const std::int64_t* row = &m.counts[k * classes];
    const std::int64_t images = std::accumulate(row, row + classes, std::int64_t{0});
    if (images == 0) continue;
    j["by_class"][m.classes[k]] = {{"images", images},
                                   {"accuracy", static_cast<double>(row[k]) / static_cast<double>(images)}};
  }
  return j;
}

}  // namespace

confusion_matrix confusion_of(const evaluation_result& r, const standing& s) {
  const std::vector<int>& predicted = s.sets[0].predicted;
  const std::size_t classes = r.test.class_names.size();
  confusion_matrix m{r.test.class_names, std::vector<std::int64_t>(classes * classes)};
  for (std::size_t i = 0; i < predicted.size(); ++i)
    ++m.counts.at(static_cast<std::size_t>(r.test.label(static_cast<int>(i))) * classes +
                  static_cast<std::size_t>(predicted[i]));
  return m;
}

std::string predictions_csv(const evaluation_result& r) {
  std::string text = "checkpoint,image,label,class,predicted,predicted_class,confidence\n";
  const auto& names = r.test.class_names;
  for (const auto& one : r.standings) {
    const image_scores& clean = one.sets[0];
    for (std::size_t i = 0; i < clean.predicted.size(); ++i) {
      const auto label = static_cast<std::size_t>(r.test.label(static_cast<int>(i))),
                 predicted = static_cast<std::size_t>(clean.predicted[i]);
      text += csv_field(one.who.name) + "," + csv_field(r.test.title(static_cast<int>(i))) + "," +
              std::to_string(label) + "," + csv_field(names[label]) + "," + std::to_string(predicted) + "," +
              csv_field(names.at(predicted)) + "," + significant(clean.confidences[i], 6) + "\n";
    }
  }
  return text;
}

std::vector<robustness::corruption> counted_corruptions(const std::vector<robustness::corruption>& measured) {
  std::vector<robustness::corruption> result;
  for (const auto c : measured)
    if (c <= robustness::benchmark_corruptions.back()) result.push_back(c);
  return result.empty() ? measured : result;
}

std::string told_of_kinds(const std::vector<robustness::corruption>& counted) {
  const std::size_t all = robustness::benchmark_corruptions.size();
  const bool other = !counted.empty() && counted[0] > robustness::benchmark_corruptions.back();
  return std::to_string(counted.size()) + (other                   ? " other corruptions"
                                           : counted.size() == all ? " corruptions"
                                                                   : " of " + std::to_string(all) + " corruptions");
}

std::string mean_error_name(const corruption_summary& s) {
  std::vector<robustness::corruption> measured;
  for (const auto& [c, error] : s.by_corruption) measured.push_back(c);
  const auto counted = counted_corruptions(measured);
  const std::string kinds = told_of_kinds(counted);
  const std::string of = s.severities == robustness::severities ? ""
                         : s.severities == 1                    ? ", one severity"
                                                                : ", " + std::to_string(s.severities) + " severities";
  return (kinds == "15 corruptions" ? "mean corruption error" : "mean error over " + kinds) + of;
}

corruption_summary summary_of(const evaluation_result& r, const standing& s) {
  corruption_summary result;
  std::map<robustness::corruption, std::vector<double>> errors;
  for (std::size_t i = 0; i < r.sets.size(); ++i)
    if (r.sets[i].which == kind::corruption) errors[r.sets[i].corruption].push_back(s.sets[i].error());
  if (errors.empty()) return result;
  std::vector<robustness::corruption> measured;
  for (const auto& [c, list] : errors) {
    result.by_corruption[c] = robustness::mean_error(list);
    measured.push_back(c);
    result.severities = static_cast<int>(list.size());
  }
  std::vector<double> means;
  for (const auto c : counted_corruptions(measured)) means.push_back(result.by_corruption[c]);
  result.mean = robustness::mean_error(means);
  robustness::corruption_scores all{};
  result.complete = true;
  for (std::size_t c = 0; c < all.size(); ++c) {
    const auto list = errors.find(robustness::benchmark_corruptions[c]);
    result.complete = result.complete && list != errors.end() && list->second.size() == robustness::severities;
    if (list != errors.end()) all[c] = robustness::mean_error(list->second);
  }
  if (result.complete) {
    result.mce = robustness::mean_corruption_error(all);
    result.relative_mce = robustness::relative_mean_corruption_error(all, s.sets[0].error());
  }
  return result;
}

std::vector<std::string> skipped_of(const evaluation_result& r) {
  std::set<std::string> files;
  for (const auto& one : r.standings) files.insert(one.skipped.begin(), one.skipped.end());
  return {files.begin(), files.end()};
}

std::vector<std::string> warnings_of(const evaluation_result& r) {
  std::vector<std::string> lines;
  if (const auto told = told_of_skipped(skipped_of(r)); !told.empty()) lines.push_back(told);
  for (const auto& one : r.standings)
    for (const auto& a : one.attacks)
      for (const auto& w : warnings_of(a.scores)) lines.push_back(one.who.name + ", " + a.how.name() + ": " + w + ".");
  return lines;
}

metrics_entry conventions(const settings& s, const evaluation_result& r) {
  metrics_entry j;
  j["data"] = r.test.name;
  j["test images"] = r.test.size();
  if (r.imagenet)
    j["image size"] = std::to_string(s.image_size) + ", the middle " + significant(s.crop_fraction, 4) +
                      " of the shorter side, " + s.interpolation;
  j["statistics"] = "running; no dropout";
  j["calibration error"] = "adaptive bins of 100 images";
  if (!s.corruptions.empty()) {
    const std::string scale = r.imagenet ? "ImageNet-C's" : "CIFAR-10-C's";
    j["corruptions"] = s.corrupted.empty() ? "made as images are read, with " + scale + " severities, in memory"
                                           : "read from " + s.corrupted + (r.imagenet ? ", uncropped" : "");
    j["severities"] = s.severities;
  }
  if (!s.robust_attacks.empty()) {
    j["attacked images"] = s.robust_images == 0 ? r.test.size() : std::min(s.robust_images, r.test.size());
    j["norm"] = s.robust_norm == "l2" ? "L2" : "L-infinity";
    j["epsilon"] = s.robust_norm == "l2" ? "length of the whole change, pixels of 255" : "pixels of 255";
    j["restarts"] = s.robust_restarts;
    for (const auto& a : s.robust_attacks) {
      if (a == "pgd")
        j["pgd"] = std::to_string(s.attack_steps) +
                   " steps of 2.5 epsilon over their number, untargeted, from uniform noise; the last point counts";
      if (a == "apgd")
        j["apgd"] = std::to_string(s.attack_steps) + " steps, cross entropy; any misclassified point counts";
      if (a == "fab")
        j["fab"] = std::to_string(s.attack_steps) +
                   " steps for each of 9 targets; a misclassified point within epsilon counts";
      if (a == "square") j["square"] = std::to_string(s.robust_queries) + " queries";
      if (a == "ensemble")
        j["ensemble"] = "APGD with cross entropy, APGD with targeted DLR and FAB (9 targets each), of " +
                        std::to_string(s.attack_steps) + " steps, Square of " + std::to_string(s.robust_queries) +
                        " queries: AutoAttack's standard; the worst case counts";
    }
  }
  j["seed"] = s.seed;
  return j;
}

metrics_entry evaluation_json(const settings& s, const evaluation_result& r) {
  metrics_entry j;
  j["conventions"] = conventions(s, r);
  if (const auto skipped = skipped_of(r); !skipped.empty()) j["skipped"] = skipped;
  j["checkpoints"] = metrics_entry::array();
  for (const auto& one : r.standings) {
    metrics_entry c = {{"name", one.who.name},       {"path", in_utf8(one.who.file.path)},
                       {"content", one.who.content}, {"model", one.who.model},
                       {"domain", one.who.domain},   {"normalization", one.who.normalization}};
    for (std::size_t i = 0; i < r.sets.size(); ++i) {
      const auto& v = r.sets[i];
      if (v.which == kind::clean)
        c["clean"] = clean_json(r, one);
      else if (v.which == kind::corruption)
        c["corruptions"][std::string(to_string(v.corruption))][std::to_string(v.severity)] = scores_json(one.sets[i]);
      else if (v.which == kind::cues)
        c["sets"][v.name] = {{"images", one.sets[i].images},
                             {"by_shape", one.sets[i].by_shape},
                             {"by_texture", one.sets[i].by_texture},
                             {"shape_bias", one.sets[i].shape_bias}};
      else
        c["sets"][v.name] = scores_json(one.sets[i]);
    }
    const auto summary = summary_of(r, one);
    if (!summary.by_corruption.empty()) {
      metrics_entry& m = c["corruption_error"];
      m["mean"] = summary.mean;
      for (const auto& [kind, error] : summary.by_corruption) m["by_corruption"][std::string(to_string(kind))] = error;
      if (summary.complete && r.imagenet) m["mce"] = summary.mce, m["relative_mce"] = summary.relative_mce;
    }
    for (const auto& a : one.attacks) {
      metrics_entry entry = {{"attack", a.how.attack},
                             {"norm", a.how.norm == attack::norm::l2 ? "l2" : "linf"},
                             {"epsilon", metrics_entry::parse(significant(a.how.epsilon, 7))},
                             {"images", a.scores.images},
                             {"correct", a.scores.correct},
                             {"robust", a.scores.robust},
                             {"robust_accuracy", static_cast<double>(a.scores.robust) / a.scores.images},
                             {"warnings", warnings_of(a.scores)}};
      c["attacks"].push_back(std::move(entry));
    }
    j["checkpoints"].push_back(std::move(c));
  }
  return j;
}

std::string evaluation_csv(const evaluation_result& r) {
  std::string text =
      "checkpoint,kind,name,level,images,error,error_top5,loss,calibration_l1,calibration_rms,shape_bias\n";
  for (const auto& one : r.standings) {
    const std::string begin = csv_field(one.who.name) + ",";
    for (std::size_t i = 0; i < r.sets.size(); ++i) {
      const auto& v = r.sets[i];
      const auto& m = one.sets[i];
      const std::string images = "," + std::to_string(m.images) + ",";
      if (v.which == kind::cues) {
        text += begin + "set," + csv_field(v.name) + "," + images + ",,,,," + significant(m.shape_bias, 6) + "\n";
        continue;
      }
      text += begin + (v.which == kind::clean ? "clean,,"
                       : v.which == kind::corruption
                           ? "corruption," + std::string(to_string(v.corruption)) + "," + std::to_string(v.severity)
                           : "set," + csv_field(v.name) + ",");
      text += images + significant(m.error(), 6);
      for (const double value : {m.top5_error(), m.loss, m.calibration_l1, m.calibration_rms})
        text += "," + significant(value, 6);
      text += ",\n";
    }
    for (const auto& a : one.attacks)
      text += begin + "attack," + (a.how.norm == attack::norm::l2 ? "l2 " : "") + a.how.attack + "," +
              significant(a.how.epsilon, 7) + "," + std::to_string(a.scores.images) + "," +
              significant(1 - static_cast<double>(a.scores.robust) / a.scores.images, 6) + ",,,,,\n";
  }
  return text;
}

std::string interval_text(double share, int images) {
  const auto [low, high] = wilson_interval(share, images);
  return "[" + fixed(100 * low, 2) + ", " + fixed(100 * high, 2) + "]";
}

std::string evaluation_table(const evaluation_result& r) {
  const auto percent = [](double v) { return fixed(100 * v, 2) + " %"; };
  const auto bounded = [&](double v, int images) { return percent(v) + " " + interval_text(v, images); };
  std::vector<std::vector<std::string>> rows(1);
  rows[0].push_back("");
  for (const auto& one : r.standings) rows[0].push_back(one.who.name);
  const auto row = [&](const std::string& name, const auto& value) {
    rows.push_back({name});
    for (const auto& one : r.standings) rows.back().push_back(value(one));
  };
  row("clean, top-1 error", [&](const standing& s) { return bounded(s.sets[0].error(), s.sets[0].images); });
  row("clean, top-5 error", [&](const standing& s) { return percent(s.sets[0].top5_error()); });
  row("calibration error", [&](const standing& s) { return percent(s.sets[0].calibration_l1); });
  std::vector<corruption_summary> summaries;
  for (const auto& one : r.standings) summaries.push_back(summary_of(r, one));
  const auto summary = [&](const standing& s) -> const corruption_summary& {
    return summaries[static_cast<std::size_t>(&s - r.standings.data())];
  };
  for (const auto& [c, error] : summaries[0].by_corruption)
    row(std::string(to_string(c)),
        [&, kind = c](const standing& s) { return percent(summary(s).by_corruption.at(kind)); });
  if (!summaries[0].by_corruption.empty())
    row(mean_error_name(summaries[0]), [&](const standing& s) { return percent(summary(s).mean); });
  if (summaries[0].complete && r.imagenet) {
    row("mCE, AlexNet = 100", [&](const standing& s) { return fixed(summary(s).mce, 2); });
    row("relative mCE", [&](const standing& s) { return fixed(summary(s).relative_mce, 2); });
  }
  for (std::size_t i = 0; i < r.sets.size(); ++i) {
    if (r.sets[i].which == kind::shift)
      row(r.sets[i].name + ", top-1 error", [&](const standing& s) { return percent(s.sets[i].error()); });
    if (r.sets[i].which == kind::cues)
      row("shape bias", [&](const standing& s) { return percent(s.sets[i].shape_bias); });
  }
  const auto share = [&](int right, int images) { return bounded(static_cast<double>(right) / images, images); };
  const auto& attacks = r.standings[0].attacks;
  if (!attacks.empty())
    row("accuracy on the " + grouped(attacks[0].scores.images) + " images that are attacked",
        [&](const standing& s) { return share(s.attacks[0].scores.correct, s.attacks[0].scores.images); });
  for (std::size_t i = 0; i < attacks.size(); ++i)
    row("accuracy under " + attacks[i].how.name(),
        [&](const standing& s) { return share(s.attacks[i].scores.robust, s.attacks[i].scores.images); });
  std::string text = aligned(rows);
  if (!attacks.empty()) text += "Errors, those of corruptions too, count what is wrong, accuracies what is right.\n";
  return text + "[ ] is the 95 % confidence interval (Wilson) by the number of images.\n";
}

}  // namespace advprop::program
