// Names to enumerators.
#include "choices.hpp"

#include <algorithm>
#include <utility>

namespace advprop::program {

namespace {

template <class T, std::size_t N>
T choose(const char* option, const std::string& name, const std::pair<const char*, T> (&list)[N]) {
  std::string names;
  for (const auto& [known, value] : list) {
    if (name == known) return value;
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  fail<argument_error>(option, " is ", name, ", must be one of ", names);
}

}  // namespace

chosen_attack attack_of(const settings& s, const std::string& name, float epsilon, float step, int steps) {
  using kind = chosen_attack::kind;
  using attack::goal;
  chosen_attack a;
  a.which = choose<kind>("--attack", name,
                         {{"none", kind::none},
                          {"fgsm", kind::fgsm},
                          {"ifgsm", kind::ifgsm},
                          {"pgd", kind::pgd},
                          {"pgd-l2", kind::pgd_l2},
                          {"mifgsm", kind::mifgsm},
                          {"gd", kind::gd}});
  a.epsilon = epsilon;
  a.step = step;
  a.steps = steps;
  a.goal = choose<goal>(
      "--goal", s.goal,
      {{"untargeted", goal::untargeted}, {"random", goal::random_class}, {"least-likely", goal::least_likely}});
  a.start =
      choose<attack::start>("--start", s.start, {{"image", attack::start::image}, {"uniform", attack::start::uniform}});
  a.clean_start = s.clean_start;
  a.source = choose<statistics>("--attack-statistics", s.attack_statistics,
                                {{"running", statistics::running}, {"batch", statistics::batch}});
  return a;
}

chosen_method method_of(const settings& s) {
  using kind = chosen_method::kind;
  chosen_method m;
  m.which = choose<kind>("--method", s.method,
                         {{"clean", kind::clean}, {"adversarial", kind::adversarial}, {"advprop", kind::advprop}});
  m.weights = s.weights;
  m.mixture = !s.adversarial_only;
  m.concatenated = choose<bool>("--execution", s.execution, {{"sequential", false}, {"concatenated", true}});
  int stream = 0;
  for (std::size_t i = 0; i < s.attacks.size(); ++i) {
    m.attacks.push_back(attack_of(s, s.attacks[i], s.epsilons[i], s.step_sizes[i], s.steps[i]));
    m.streams.push_back(s.attacks[i] == "none" ? ++stream : 0);
  }
  return m;
}

int strong_streams(const settings& s) {
  return static_cast<int>(std::count(s.attacks.begin(), s.attacks.end(), "none"));
}

sgd optimizer_of(const settings& s) {
  return {.learning_rate = s.learning_rate,
          .momentum = s.momentum,
          .weight_decay = s.weight_decay,
          .nesterov = s.nesterov,
          .clip_norm = s.clip_norm};
}

schedule schedule_of(const settings& s) {
  schedule result;
  result.kind = choose<schedule::shape>(
      "--schedule", s.schedule,
      {{"constant", schedule::shape::constant}, {"step", schedule::shape::step}, {"cosine", schedule::shape::cosine}});
  result.warm_up = s.warm_up;
  result.milestones = s.milestones;
  return result;
}

}  // namespace advprop::program
