using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace MsResampler.Cli.Output;

/// <summary>Writes tokens [B, M, L] in float32, as the tensor <c>tokens</c> of a <c>.safetensors</c> file or as a
/// <c>.npy</c> file. Images are appended one after another, so that only some of them are in memory.</summary>
internal sealed class TokenFile : IDisposable
{
    private readonly OutputFile _file;

    private TokenFile(OutputFile file) => _file = file;

    /// <summary>Checks the extension of a file name.</summary>
    /// <exception cref="InputException">The extension is unknown.</exception>
    public static void CheckName(string path) => _ = HeaderFor(path, 1, 1, 1);

    /// <summary>Creates a file for a known number of images.</summary>
    public static TokenFile Create(string path, int imageCount, int queryCount, int tokenSize, Inputs inputs)
    {
        byte[] header = HeaderFor(path, imageCount, queryCount, tokenSize);
        OutputFile file = new(path, inputs);
        try
        {
            file.Stream.Write(header);
            return new TokenFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Appends the tokens of one or more images.</summary>
    public void Append(ReadOnlySpan<float> tokens) => _file.Stream.Write(MemoryMarshal.AsBytes(tokens));

    /// <summary>Gives the file its name.</summary>
    public void Commit(CancellationToken cancellationToken) => _file.Commit(cancellationToken);

    /// <summary>Removes the file unless it was committed.</summary>
    public void Dispose() => _file.Dispose();

    private static byte[] HeaderFor(string path, long imageCount, long queryCount, long tokenSize)
        => Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".SAFETENSORS" => SafetensorsHeader(imageCount, queryCount, tokenSize),
            ".NPY" => NpyHeader(imageCount, queryCount, tokenSize),
            _ => throw new InputException($"{path}: expected a name that ends in .safetensors or .npy"),
        };

    private static byte[] SafetensorsHeader(long imageCount, long queryCount, long tokenSize)
    {
        long bytes = imageCount * queryCount * tokenSize * sizeof(float);
        string json = string.Create(CultureInfo.InvariantCulture, $"{{\"tokens\":{{\"dtype\":\"F32\"," +
            $"\"shape\":[{imageCount},{queryCount},{tokenSize}],\"data_offsets\":[0,{bytes}]}}}}");
        string padded = json.PadRight((json.Length + 7) / 8 * 8);
        return [.. BitConverter.GetBytes((ulong)padded.Length), .. Encoding.ASCII.GetBytes(padded)];
    }

    private static byte[] NpyHeader(long imageCount, long queryCount, long tokenSize)
    {
        const int PrefixBytes = 10;
        const int Alignment = 64;
        string dictionary = string.Create(CultureInfo.InvariantCulture,
            $"{{'descr': '<f4', 'fortran_order': False, " +
            $"'shape': ({imageCount}, {queryCount}, {tokenSize}), }}");
        int total = (PrefixBytes + dictionary.Length + 1 + Alignment - 1) / Alignment * Alignment;
        string padded = dictionary.PadRight(total - PrefixBytes - 1) + "\n";
        return [0x93, .. "NUMPY"u8, 1, 0, .. BitConverter.GetBytes((ushort)padded.Length),
            .. Encoding.ASCII.GetBytes(padded)];
    }
}
