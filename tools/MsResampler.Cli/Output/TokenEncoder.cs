using System.Runtime.InteropServices;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Output;

/// <summary>Converts tokens to the type of a file.</summary>
/// <param name="type">F32, F16 or BF16.</param>
internal sealed class TokenEncoder(TensorType type)
{
    private byte[] _bytes = [];

    /// <summary>The type of the file.</summary>
    public TensorType Type => type;

    /// <summary>The bytes of an element.</summary>
    public int ElementBytes { get; } = TensorTypes.BitsOf(type) / 8;

    /// <summary>Rounds tokens to nearest even.</summary>
    /// <returns>The bytes, little-endian; valid until the next call.</returns>
    /// <exception cref="TokenRangeException">A token is not finite, or becomes infinite.</exception>
    public ReadOnlySpan<byte> Encode(ReadOnlySpan<float> tokens)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(tokens);
        if (type != TensorType.F32)
        {
            int count = checked(tokens.Length * ElementBytes);
            if (_bytes.Length < count)
                _bytes = new byte[count];
            ElementConversion.FromSingle(type, tokens, _bytes);
            bytes = _bytes.AsSpan(0, count);
        }

        // An infinity in the file would hide that the value is out of range.
        return ElementConversion.HasUnusable(type, bytes) ? throw new TokenRangeException(
            $"a value of the tokens is outside the range of {type}" +
            (type == TensorType.F16 ? "; use --dtype bf16 or f32" : type == TensorType.BF16 ? "; use --dtype f32" : ""))
            : bytes;
    }
}
