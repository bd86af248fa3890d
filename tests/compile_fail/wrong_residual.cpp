// expect: wrong_block.*(16 == 8.*32 == 64|ShortcutChannels = 8.*BodyChannels = 16|BodyChannels = 16.*ShortcutChannels = 8)
// A residual whose body changes the shape needs a shortcut that changes it alike.
#include <advprop/advprop.hpp>

using namespace advprop;

#ifdef CONTROL
constexpr int stride = 1, width = 8;
#else
constexpr int stride = 2, width = 16;
#endif
struct wrong_block : residual<sequential<convolution<width, 3, stride>, batch_norm<>>, identity, relu> {};
struct net : architecture<normalize<fashion_mnist_statistics>, convolution<8, 3>, wrong_block, global_average_pool,
                          linear<10>> {};

void use(cpu& device) { model<net, domains<2>, cpu> m{device}; }
