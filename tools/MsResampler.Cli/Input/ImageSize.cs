namespace MsResampler.Cli.Input;

/// <summary>A size in pixels, written as by the user.</summary>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
internal readonly record struct ImageSize(int Height, int Width)
{
    /// <inheritdoc/>
    public override string ToString() => Height == Width ? $"{Height}" : $"{Height}x{Width}";
}
