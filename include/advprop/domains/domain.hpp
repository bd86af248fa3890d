// Batch-norm domains: which normalisation statistics and which scale and shift a batch of images uses.
#pragma once

#include <concepts>

#include <advprop/core/error.hpp>

namespace advprop {

/// What the domains of a policy own in common. Zhang et al. 2024 (arXiv:2403.19150) ask for both ablations.
enum class share {
  nothing,     ///< each domain has statistics, scale and shift of its own (AdvProp, section 4)
  statistics,  ///< one set of running statistics; scale and shift per domain
  affine       ///< one scale and shift; running statistics per domain
};

/// The index of one domain. Only a policy makes one, so it is in range for every model of that policy.
class domain {
 public:
  constexpr int index() const { return index_; }
  friend constexpr bool operator==(domain, domain) = default;

 private:
  template <int, share>
  friend struct domains;
  constexpr explicit domain(int index) : index_(index) {}
  int index_;
};

/// `N` domains: the main one (clean images) and N-1 auxiliary ones. `domains<1>` is ordinary batch norm.
template <int N, share S = share::nothing>
struct domains {
  static_assert(N >= 1, "domains<N>: there is at least the main domain");

  static constexpr int count = N;
  static constexpr int statistic_sets = S == share::statistics ? 1 : N;
  static constexpr int affine_sets = S == share::affine ? 1 : N;

  static constexpr domain main() { return domain(0); }
  /// Auxiliary domain k, k in [0, N-1). Throws `argument_error` outside.
  static constexpr domain auxiliary(int k) {
    if (k < 0 || k >= N - 1) fail<argument_error>("domain out of range: auxiliary ", k, " of ", N - 1);
    return domain(k + 1);
  }
  /// Domain `index`, 0 being main. Throws `argument_error` outside [0, N).
  static constexpr domain at(int index) {
    if (index < 0 || index >= N) fail<argument_error>("domain out of range: ", index, " of ", N);
    return domain(index);
  }

  static constexpr int statistic_set(domain d) { return S == share::statistics ? 0 : d.index(); }
  static constexpr int affine_set(domain d) { return S == share::affine ? 0 : d.index(); }
};

/// The domain that every policy has, and that serves inference unless told otherwise.
inline constexpr domain main_domain = domains<1>::main();

template <class D>
concept domain_policy = requires(domain d) {
  { D::count } -> std::convertible_to<int>;
  { D::statistic_sets } -> std::convertible_to<int>;
  { D::affine_sets } -> std::convertible_to<int>;
  { D::statistic_set(d) } -> std::same_as<int>;
  { D::affine_set(d) } -> std::same_as<int>;
};

}  // namespace advprop
