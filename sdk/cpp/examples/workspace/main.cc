#include "outpost/main.h"

#include "dice_module.h"

int main(int argc, char** argv) { return outpost::RunModule<DiceModule>(argc, argv); }
