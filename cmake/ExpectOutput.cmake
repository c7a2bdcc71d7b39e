# cmake -DPROGRAM=<program> -DEXPECTED=<file> -P ExpectOutput.cmake: the program must succeed and print what the file holds.
execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE printed RESULT_VARIABLE result)
file(READ "${EXPECTED}" expected)
if(NOT result STREQUAL "0" OR NOT printed STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} ended with ${result} and printed\n${printed}but ${EXPECTED} holds\n${expected}")
endif()
message("${printed}")
