using System.Globalization;

namespace MsResampler.Cli.Photos;

/// <summary>The part of the photos that a worker computes.</summary>
/// <param name="Index">The worker, from 0.</param>
/// <param name="Count">The number of workers.</param>
internal readonly record struct WorkShare(int Index, int Count)
{
    /// <summary>The largest number of workers.</summary>
    public const int MaxCount = 1_000_000;

    /// <summary>One worker that computes everything.</summary>
    public static WorkShare All { get; } = new(0, 1);

    /// <summary>The start of the names of the worker's files.</summary>
    public string Stem => Count == 1 ? "tokens"
        : string.Create(CultureInfo.InvariantCulture, $"tokens-{Index}-of-{Count}");

    /// <summary>The number of workers in a <see cref="Stem"/>; 0 if it has none.</summary>
    public static int CountOf(string stem) => TryParse(stem[(stem.LastIndexOf('-') + 1)..], out int count) ? count : 0;

    /// <summary>Whether a photo belongs to the worker: its first 64 bits modulo the number of workers are the worker's
    /// index. Every program can compute this from the name of the photo alone.</summary>
    public bool Contains(UInt128 id) => (ulong)(id >> 64) % (ulong)Count == (ulong)Index;

    /// <summary>Reads "i/n" with i from 0 to n - 1.</summary>
    public static bool TryParse(string text, out WorkShare share)
    {
        share = default;
        string[] parts = text.Split('/');
        if (parts.Length != 2 || !TryParse(parts[0], out int index) || !TryParse(parts[1], out int count)
            || index >= count || count > MaxCount)
            return false;
        share = new WorkShare(index, count);
        return true;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Index}/{Count}");

    private static bool TryParse(string text, out int value)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
