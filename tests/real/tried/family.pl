# SPDX-License-Identifier: MIT
# Children with pipes to their parent, and grandchildren.
use strict;
use warnings;

my %from;
for my $n (1 .. 8) {
    my $pid = open(my $child, '-|') // die;
    if (!$pid) {
        my %seen = map { $_ * $n => 'x' x ($_ % 100) } 1 .. 5000;
        my $inner = fork() // die;
        if (!$inner) {
            my @sorted = sort keys %seen;
            exit(@sorted % 7);
        }
        waitpid $inner, 0;
        print scalar(keys %seen), ' ', $? >> 8, "\n";
        exit $n;
    }
    $from{$n} = $child;
}
for my $n (1 .. 8) {
    my $line = readline $from{$n};
    close $from{$n};
    print "$n: ", $? >> 8, " $line";
}
print `echo backticks; exit 2`, $? >> 8, "\n";
system 'sh', '-c', 'exit 9';
exit($? >> 8);
