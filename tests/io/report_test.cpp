#include <doctest/doctest.h>
#include <unistd.h>

#include <cctype>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/io/report.hpp>

namespace report_test {

using namespace advprop;

namespace {

/// What is wrong with the tags of a page; "" where each is closed by its own and no '<' or '&' stands loose.
std::string fault(std::string_view page) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < page.size(); ++i) {
    if (page[i] == '&') {
      const auto end = page.find(';', i);
      if (end == page.npos || end - i > 7) return "loose & at " + std::string(page.substr(i, 30));
    }
    if (page[i] == '>') return "loose > at " + std::string(page.substr(i, 30));
    if (page[i] != '<') continue;
    auto end = i + 1;
    for (char quote = 0; end < page.size() && (quote || page[end] != '>'); ++end) {
      if (quote ? page[end] == quote : page[end] == '"') quote = quote ? 0 : '"';
      if (page[end] == '<') return "< inside a tag: " + std::string(page.substr(i, 30));
    }
    if (end >= page.size()) return "open tag: " + std::string(page.substr(i, 30));
    const auto tag = page.substr(i + 1, end - i - 1);
    i = end;
    if (tag[0] == '!') continue;
    const auto name = [](std::string_view t) { return std::string(t.substr(0, t.find_first_of(" /\n"))); };
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "unexpected </" + std::string(tag.substr(1)) + ">";
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name(tag));
      if (open.back() == "style") {  // raw text
        i = page.find("</style>", i) - 1;
        if (i >= page.size()) return "open style";
      }
    }
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

bool has(const std::string& page, std::string_view text) { return page.find(text) != page.npos; }
int count(const std::string& page, std::string_view text) {
  int n = 0;
  for (auto at = page.find(text); at != page.npos; at = page.find(text, at + 1)) ++n;
  return n;
}

picture grey(int level) { return {2, 2, 1, std::vector<std::uint8_t>(4, static_cast<std::uint8_t>(level))}; }

run_report run(const std::string& name) {
  run_report r;
  r.name = name;
  r.results = {{"Clean accuracy", 0.9342}, {"PGD-10", 0.51}, {"Time a step", 1214.3, "ms", true}};
  r.settings = {{"method", name}, {"seed", "17"}};
  r.losses = {{"clean", {{1, 0.875}, {2, 0.5}, {3, 0.4375}}}, {"adversarial", {{1, 1.75}, {2, 1.25}, {3, 1.125}}}};
  r.accuracies = {{"clean", {{1, 0.8}, {2, 0.9}, {3, 0.9342}}}};
  r.learning_rate = {{1, 0.1}, {2, 0.05}, {3, 0.001}};
  r.robustness = {{"PGD-10", {{0, 0.9342}, {4, 0.7}, {8, 0.51}}}};
  r.confusion = {{"cat", "dog"}, {90, 10, 30, 1070}};
  r.pictures = {"PGD-10", 16, {{"cat", grey(10), grey(128), grey(20), {"cat", 0.875}, {"dog", 0.625}}}};
  return r;
}

}  // namespace

TEST_CASE("the checker of these tests finds faults") {
  CHECK(fault("<p class=\"a>b\">x</p><br />") == "");
  CHECK(fault("<p><b>x</p></b>") != "");
  CHECK(fault("<p>") != "");
  CHECK(fault("<p>a & b</p>") != "");
  CHECK(fault("<p>a > b</p>") != "");
}

TEST_CASE("a run's page is well formed and self-contained, and its numbers are there") {
  const auto page = report_html({"A run", "in an hour", {run("AdvProp")}, {"A note."}});
  CHECK(fault(page) == "");
  CHECK(page.substr(0, 15) == "<!DOCTYPE html>");
  for (const char* outside : {"http:", "https:", "<script", "<link", "@import", "url("}) CHECK(!has(page, outside));
  CHECK(has(page, "<h1>A run</h1><p class=\"lead\">in an hour</p>"));
  CHECK(has(page, "<b>93.4<small> %</small></b><span>Clean accuracy</span>"));
  CHECK(has(page, "<b>1,214<small> ms</small></b><span>Time a step</span>"));
  CHECK(has(page, "clean <b>0.438</b>"));
  CHECK(has(page, "<title>epoch 2\nclean: 0.500\nadversarial: 1.250</title>"));
  CHECK(has(page, "<title>ε, pixels of 255 4\nPGD-10: 70.0%</title>"));
  CHECK(has(page, "<title>epoch 3\nlearning rate: 0.001</title>"));
  CHECK(has(page, "<title>cat taken for dog: 10 of 100 (10.0%)</title>"));
  CHECK(has(page, "<title>dog recognised: 1,070 of 1,100 (97.3%)</title>"));
  CHECK(has(page, "<td>dog → cat</td><td class=\"num bar\" style=\"--share: 100.0%\">30</td>"));
  CHECK(has(page, "<b>✓ cat</b>"));
  CHECK(has(page, "<b>✗ dog</b><span class=\"sure\"><u style=\"width: 62.5%\"></u></span>62.5% sure"));
  CHECK(has(page, "<b>× 16</b>magnified"));
  for (const int level : {10, 128, 20}) CHECK(has(page, "data:image/png;base64," + base64(encode_png(grey(level)))));
  CHECK(has(page, "<tr><th>seed</th><td colspan=\"1\">17</td></tr>"));
  CHECK(has(page, "<p>A note.</p>"));
}

TEST_CASE("several runs are compared: lines overlaid, a table with the best in bold, settings side by side") {
  auto a = run("Clean"), b = run("AdvProp");
  b.results[0].value = 0.95;
  b.results[2].value = 2000;
  b.results.pop_back();
  b.results.push_back({"Only here", 0.125});
  b.losses.pop_back();
  const auto page = report_html({"Both", "", {a, b}, {}});
  CHECK(fault(page) == "");
  CHECK(has(page, "Training loss: clean</figcaption>"));
  CHECK(has(page, "<title>epoch 1\nClean: 0.875\nAdvProp: 0.875</title>"));
  CHECK(has(page, "<title>epoch 1\nClean: 1.750</title>"));
  CHECK(has(page, "<th class=\"num\">Time a step, ms</th><th class=\"num\">Only here, %</th>"));
  CHECK(has(page, "<td class=\"num bar\" style=\"--share: 93.4%\">93.4</td>"));
  CHECK(has(page, "<td class=\"num bar best\" style=\"--share: 95.0%\">95.0</td>"));
  CHECK(has(page, "<td class=\"num best\">1,214</td><td class=\"num\">–</td></tr>"));
  CHECK(has(page, "<tr><th>method</th><td>Clean</td><td>AdvProp</td></tr>"));
  CHECK(has(page, "<tr><th>seed</th><td colspan=\"2\">17</td></tr>"));
  CHECK(has(page, "<h3>AdvProp: PGD-10</h3>"));
  CHECK(count(page, "learning rate: 0.100<") == 1);  // the same in both runs: one line
  b.learning_rate[0].y = 0.2;
  CHECK(has(report_html({"Both", "", {a, b}, {}}), "<title>epoch 1\nClean: 0.100\nAdvProp: 0.200</title>"));
}

TEST_CASE("less is better where the measurement says so") {
  auto a = run("a"), b = run("b");
  a.results = {{"ms", 3, "ms", true}, {"score", 3, ""}};
  b.results = {{"ms", 2, "ms", true}, {"score", 2, ""}};
  const auto page = report_html({"", "", {a, b}, {}});
  CHECK(has(page, "<td class=\"num\">3</td><td class=\"num best\">3</td>"));
  CHECK(has(page, "<td class=\"num best\">2</td><td class=\"num\">2</td>"));
}

TEST_CASE("all text is escaped") {
  const std::string evil = "<script>\"'&\x01";
  auto r = run(evil);
  r.results[0].name = r.results[2].unit = r.settings[0].first = r.losses[0].name = evil;
  r.robustness[0].name = r.confusion.classes[0] = r.pictures.attack = evil;
  auto& row = r.pictures.rows[0];
  row.truth = row.clean_prediction.label = row.adversarial_prediction.label = evil;
  for (const auto& page : {report_html({evil, evil, {r}, {evil}}), report_html({evil, evil, {r, r}, {evil}})}) {
    CHECK(fault(page) == "");
    CHECK(!has(page, "<script"));
    CHECK(!has(page, "\x01"));
    CHECK(has(page, "&lt;script&gt;&quot;&#39;&amp;\xEF\xBF\xBD"));
  }
  CHECK(html::escape("ε\tx\ny") == "ε\tx\ny");
}

TEST_CASE("what is not finite leaves a gap in its line and nothing else") {
  run_report r;
  r.name = "r";
  r.losses = {{"clean", {{1, 3}, {2, NAN}, {3, 1}, {4, INFINITY}, {NAN, 2}, {5, 2}, {6, 2.5}}}};
  r.robustness = {{"all gone", {{0, NAN}, {1, NAN}}}};
  r.results = {{"Clean", NAN}, {"Time", INFINITY, "ms"}};
  r.pictures = {"a", 1, {{"x", grey(0), grey(0), grey(0), {"x", NAN}, {"y", 2}}}};
  const auto page = report_html({"", "", {r}, {}});
  CHECK(fault(page) == "");
  CHECK(!has(page, "Accuracy against"));
  for (const char* word : {"nan", "inf\"", "inf "}) CHECK(!has(page.substr(page.find("</style>")), word));
  const auto line = page.substr(page.find("class=\"line l0\" d=\""));
  const auto path = line.substr(0, line.find("/>"));
  CHECK(count(path, "M") == 3);
  CHECK(count(path, "L") == 1);
  CHECK(count(page, "class=\"hit\"") == 4);
  CHECK(has(page, "<b>–<small>"));
}

TEST_CASE("empty sections are left out") {
  run_report r;
  r.name = "nothing";
  const auto page = report_html({"Title", "", {r}, {}});
  CHECK(fault(page) == "");
  for (const char* part : {"<section>", "<h2>", "<figure>", "<table>", "tiles\"", "<svg"}) CHECK(!has(page, part));
  CHECK(fault(report_html({"No run", "", {}, {}})) == "");
  CHECK(!has(report_html({"No run", "", {}, {}}), "<section>"));
  CHECK(fault(report_html({"Two", "", {r, r}, {}})) == "");
}

TEST_CASE("any series can be drawn: one point, equal values, huge, tiny, negative and very many") {
  const std::vector<std::vector<point>> series = {{{1, 0.5}},
                                                  {{0, 0}},
                                                  {{1, 2}, {2, 2}},
                                                  {{1, 1e30}, {2, -1e30}},
                                                  {{1, 1e-30}, {2, 3e-30}},
                                                  {{-5, -3}, {-4, -2}},
                                                  {{3, 1}, {1, 2}},
                                                  {{1, 1}, {1, 2}},
                                                  {{0.25, 1e9}, {0.75, 2e9}},
                                                  {{0, 1e308}, {1, 2}, {2, -1e308}},
                                                  {{0, 9e99}, {1, -9e99}}};
  for (const auto& points : series) {
    run_report r;
    r.losses = {{"a", points}, {"b", points}};
    r.accuracies = {{"a", points}};
    const auto page = report_html({"", "", {r}, {}});
    CHECK(fault(page) == "");
    CHECK(has(page, "<svg viewBox"));
    CHECK(!has(page.substr(page.find("</style>")), "nan"));
    CHECK(count(page, "<text") < 80);
    CHECK(page.size() < 60000);
  }
  run_report r;
  r.losses = {{"steps", {}}};
  for (int i = 0; i < 10000; ++i) r.losses[0].points.push_back({static_cast<double>(i), 1.0 + i % 2});
  const auto page = report_html({"", "", {r}, {}});
  CHECK(page.size() < 150000);
  CHECK(has(page, "mean of several steps"));
}

TEST_CASE("a confusion matrix of many classes stays drawable, and one of a wrong size is refused") {
  run_report r;
  for (int i = 0; i < 100; ++i) r.confusion.classes.push_back("class " + std::to_string(i));
  r.confusion.counts.assign(10000, 0);
  for (std::size_t i = 0; i < 100; ++i) r.confusion.counts[i * 101] = 100;
  r.confusion.counts[7 * 100 + 9] = 12;
  const auto page = report_html({"", "", {r}, {}});
  CHECK(fault(page) == "");
  CHECK(has(page, "class 7 taken for class 9: 12 of 112 (10.7%)"));
  CHECK(count(page, "<rect") == 101);
  r.confusion.counts.pop_back();
  CHECK_THROWS_WITH_AS(report_html({"", "", {r}, {}}), "report: a confusion matrix of 100 classes has 9999 counts",
                       argument_error);
}

TEST_CASE("errors by corruption and severity are a heat map a run, with a gap where nothing was measured") {
  report r;
  r.title = "evaluation";
  for (const char* name : {"first", "the second run"}) {
    run_report run;
    run.name = name;
    run.corruption_errors = {{"fog", "<frost>"}, {"1", "mean"}, "severity", {0.125, 0.5, 0.9, NAN}};
    run.mistakes = {{"clean", {{grey(3), "cat", "taken for <dog>"}}}};
    r.runs.push_back(run);
  }
  r.runs[1].corruption_errors.rows[0] = "snow";
  r.samples = {"One image.", {{grey(1), "clean", ""}, {grey(2), "fog", "severity 3"}}};
  const std::string page = report_html(r);
  CHECK(fault(page) == "");
  // Each run's own, and first the two side by side: fog was measured for one, snow for the other, frost's mean for
  // none.
  CHECK(count(page, "<rect class=\"cell error\"") == 6 + 2);
  CHECK(count(page, "<rect class=\"cell none\"") == 2 + 4);
  CHECK(has(page, "<figcaption>Mean of the severities</figcaption>"));
  CHECK(has(page, ">the second run</text>"));  // as wide as its column
  CHECK(has(page, "fog, first: 50.00%"));
  CHECK(has(page, "fog, the second run: not measured"));
  CHECK(has(page, "snow, the second run: 50.00%"));
  CHECK(has(page, ">12.5</text>"));
  CHECK(has(page, "fill-opacity=\"0.900\""));
  CHECK(has(page, "&lt;frost&gt;, 1: 90.00%"));
  CHECK(has(page, "&lt;frost&gt;, mean: not measured"));
  CHECK(has(page, "<h3>first: clean</h3>"));
  CHECK(has(page, "taken for &lt;dog&gt;"));
  CHECK(count(page, "<div class=\"thumb\">") == 4);
  CHECK(has(page, "One image."));
  r.runs[0].corruption_errors.values.pop_back();
  CHECK_THROWS_WITH_AS(report_html(r), "report: a heat map of 2 x 2 has 3 values", argument_error);
}

TEST_CASE("the page is written as a file") {
  const auto path = std::filesystem::temp_directory_path() / ("advprop-report-" + std::to_string(::getpid()) + ".html");
  const report r{"T", "", {run("x")}, {}};
  write_report(path.string(), r);
  CHECK(std::filesystem::file_size(path) == report_html(r).size());
  std::filesystem::remove(path);
  CHECK_THROWS_AS(write_report((path / "no" / "folder.html").string(), r), file_error);
}

TEST_CASE("what stands behind a number, tables of texts, and bands around lines") {
  auto a = run("a"), b = run("b");
  a.results = {{"accuracy", 0.8835, "%", false, "± 0.49"}, {"time", 3.25, "s", true, "± 0.1"}};
  b.results = {{"accuracy", 0.8766, "%", false, "± <0.39"}};
  a.accuracies = {{"test", {{1, 0.8, 0.05}, {2, 0.9, 0.02}}}};
  b.accuracies = {{"test", {{1, 0.7}, {2, 0.8}}}};
  report r{"Seeds", "", {a, b}, {}};
  r.tables = {{"Each seed", {"", "accuracy"}, {{"a, seed 1", "88.75 %"}, {"a, seed 2", "<88"}}, "Two & more."}};
  const auto page = report_html(r);
  CHECK(fault(page) == "");
  CHECK(has(page, ">88.35 <small class=\"soft\">± 0.49</small></td>"));
  CHECK(has(page, ">3.2 <small class=\"soft\">± 0.1</small></td>"));
  CHECK(has(page, "± &lt;0.39"));
  CHECK(has(page, "<h3>Each seed</h3>"));
  CHECK(has(page, "<tr><th>a, seed 1</th><td class=\"num\">88.75 %</td></tr>"));
  CHECK(has(page, "<td class=\"num\">&lt;88</td>"));
  CHECK(has(page, "<p>Two &amp; more.</p>"));
  CHECK(count(page, "<path class=\"band ") == 1);
  CHECK(has(page, "<path class=\"band f0\""));
  CHECK(has(page, "<title>epoch 2\na: 90.0% ± 2.0%\nb: 80.0%</title>"));
  r.runs = {a};
  CHECK(has(report_html(r), "<span>accuracy <small class=\"soft\">± 0.49</small></span>"));
}

}  // namespace report_test
