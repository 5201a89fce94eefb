# SPDX-License-Identifier: MIT
# Hashes, strings, regular expressions and sorting.
use strict;
use warnings;

my (%count, %place);
my $seed = 42;
for my $i (1 .. 150000) {
    $seed = ($seed * 1103515245 + 12345) % 2147483648;
    my $line = sprintf("item%05d user=%d path=/a/%d/%d", $i, $seed % 997, $seed % 31, $seed % 4999);
    if ($line =~ m{user=(\d+) path=(/\S+)}) {
        $count{$1}++;
        push @{ $place{$2} }, [$i, $1];
    }
}
my @order = sort { $count{$b} <=> $count{$a} || $a <=> $b } keys %count;
my $joined = join ';', map { "$_=$count{$_}" } @order;
(my $swapped = $joined) =~ s/(\d+)=(\d+)/$2:$1/g;
print scalar(@order), ' ', scalar(keys %place), ' ', length($swapped), "\n";
