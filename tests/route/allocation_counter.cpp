#include "prefix/allocation_counter.cpp"
