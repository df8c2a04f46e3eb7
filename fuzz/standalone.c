/*
 * A main() for a fuzz target without libFuzzer: the known answers, then every file that is named.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX 65536

extern int LLVMFuzzerInitialize(int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
main(int argc, char **argv)
{
	static uint8_t buffer[INPUT_MAX];

	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
	{
		FILE *file = fopen(argv[i], "rb");
		uint8_t *data;
		size_t size;

		if (file == NULL)
		{
			perror(argv[i]);
			return 1;
		}
		size = fread(buffer, 1, sizeof(buffer), file);
		fclose(file);

		data = malloc(size > 0 ? size : 1); /* of exact size, so that reading on is noticed */
		for (size_t k = 0; k < size; k++)
			data[k] = buffer[k];
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	return 0;
}
