// SPDX-License-Identifier: GPL-2.0
/*
 * Changes the target of MIPS branches, and prints which of them QEMU still sends to the old target.
 * issue.md says why it does.
 *
 * Build and run, without a kernel and without a C library:
 *
 *	mipsel-linux-gnu-gcc -O2 -march=mips32r2 -mno-abicalls -fno-pic -G0 -ffreestanding -nostdlib \
 *		-static -Wl,-Ttext=0x80100000,-e,main -o branch branch.c
 *	qemu-system-mipsel -M malta -cpu 24Kf -nodefaults -display none -serial stdio -no-reboot \
 *		-kernel branch
 */

#define PAGE		4096
#define LAST		(PAGE / 4 - 1)		/* the last word of a page */
#define MIDDLE		(PAGE / 8)

#define NOP		0
#define JR_T8		0x03000009		/* jalr zero, t8: jr of all releases */

enum branch { J, JAL, JALR, B, BNE, BNEL };

/* What happens after the branch to a, and before the same word becomes a branch to b. */
enum between { NOTHING, NOP_RUNS, SLOT_STORED, NEXT_STORED };

static const struct row {
	const char *what;
	enum branch branch;
	enum between between;
	unsigned int word;	/* of its page, where the branch is */
	char second;		/* the target of the second branch */
} rows[] = {
	{ "jal",				JAL,	NOTHING,	LAST,	'b' },
	{ "j",					J,	NOTHING,	LAST,	'b' },
	{ "b",					B,	NOTHING,	LAST,	'b' },
	{ "bne",				BNE,	NOTHING,	LAST,	'b' },
#if __mips_isa_rev < 6
	{ "bnel",				BNEL,	NOTHING,	LAST,	'b' },
#endif
	{ "jal, a nop runs in between",		JAL,	NOP_RUNS,	LAST,	'b' },
	{ "jal, words after the slot stored",	JAL,	NEXT_STORED,	LAST,	'b' },
	{ "jal, slot stored",			JAL,	SLOT_STORED,	LAST,	'b' },
	{ "jal, a nop runs, same target",	JAL,	NOP_RUNS,	LAST,	'a' },
	{ "jalr",				JALR,	NOTHING,	LAST,	'b' },
	{ "jal, in mid-page",			JAL,	NOTHING,	MIDDLE,	'b' },
};

#define ROWS	(sizeof(rows) / sizeof(*rows))

/* The branches: two pages for each row. */
static unsigned int code[ROWS][2 * PAGE / 4] __attribute__((aligned(PAGE)));

/* The targets. Each says its name and returns from run(). */
extern const char a[], b[];
asm("a:	li	$2, 'a'\n"
    "	jr	$24\n"
    "b:	li	$2, 'b'\n"
    "	jr	$24\n");

static void print(const char *text)
{
	volatile unsigned char *uart = (void *)0xb80003f8;

	for (; *text; text++) {
		while (!(uart[5] & 0x20))
			;
		*uart = *text;
	}
}

/* Stores an instruction, with what the architecture asks for before the instruction is executed. */
static void store(unsigned int *at, unsigned int insn)
{
	unsigned int here;

	*at = insn;
	asm volatile("synci	0(%1)\n"
		     "	sync\n"
		     "	la	%0, 1f\n"
		     "	jr.hb	%0\n"
		     "1:"
		     : "=&r" (here) : "r" (at) : "memory");
}

static unsigned int encode(enum branch branch, unsigned int *at, const char *target)
{
	unsigned int region = ((unsigned int)target >> 2) & 0x3ffffff;
	unsigned int offset = (((unsigned int)target - (unsigned int)(at + 1)) >> 2) & 0xffff;

	switch (branch) {
	case J:
		return 0x08000000 | region;
	case JAL:
		return 0x0c000000 | region;
	case JALR:
		return 0x0320f809;		/* jalr t9 */
	case B:
		return 0x10000000 | offset;
	case BNE:
		return 0x17000000 | offset;	/* bne t8, zero: run() sets t8 */
	case BNEL:
		return 0x57000000 | offset;
	}
	return NOP;
}

/* Executes the word. Returns the name of the target, or '-' if there was no branch. */
static char run(unsigned int *at, const char *target)
{
	register unsigned int name asm("v0") = '-';
	register const char *t9 asm("t9") = target;

	asm volatile("jalr	$24, %1"
		     : "+r" (name) : "r" (at), "r" (t9) : "t8", "ra", "memory");
	return name;
}

/* Returns whether the second branch went where it should. */
static int passes(const struct row *row, unsigned int *at)
{
	const char *second = row->second == 'a' ? a : b;
	char name;

	at[1] = NOP;			/* the delay slot */
	store(&at[2], JR_T8);
	store(at, encode(row->branch, at, a));
	if (run(at, a) != 'a')
		return 0;

	switch (row->between) {
	case NOTHING:
		break;
	case NOP_RUNS:
		store(at, NOP);
		if (run(at, a) != '-')
			return 0;
		break;
	case SLOT_STORED:
		store(&at[1], NOP);	/* as it was */
		break;
	case NEXT_STORED:
		store(&at[2], JR_T8);	/* as it was */
		store(&at[3], NOP);
		break;
	}

	store(at, encode(row->branch, at, second));
	name = run(at, second);
	return name == row->second;
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < ROWS; i++) {
		print(passes(&rows[i], &code[i][rows[i].word]) ? "right: " : "WRONG: ");
		print(rows[i].what);
		print("\n");
	}
	*(volatile unsigned int *)0xbf000500 = 0x42;	/* reset */
	for (;;)
		;
}
