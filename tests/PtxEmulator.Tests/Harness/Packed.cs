using System.Runtime.CompilerServices;

namespace PtxEmulator.Tests;

/// <summary>Two 16-bit numbers in one register; the first is in the lower half.</summary>
internal readonly record struct Packed<T>(T Low, T High)
    where T : unmanaged
{
    public Packed<T> Map(Func<T, T> function) => new(function(Low), function(High));

    public Packed<T> Zip(Packed<T> other, Func<T, T, T> function) =>
        new(function(Low, other.Low), function(High, other.High));

    public static explicit operator uint(Packed<T> value) => Unsafe.BitCast<Packed<T>, uint>(value);
}
