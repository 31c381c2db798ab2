using System.Security.Cryptography;
using System.Text;

namespace MsResampler.Cli.Photos;

/// <summary>Fingerprints of models, so that a run is not resumed with another one.</summary>
internal static class Fingerprint
{
    private const int BlockBytes = 1 << 20;
    private const int ShownBytes = 16;

    private static readonly string[] s_modelSuffixes = [".safetensors", ".safetensors.index.json", "config.json"];

    /// <summary>The fingerprint of a resampler: of its configuration and its weights.</summary>
    /// <param name="path">A folder, or a file in one.</param>
    /// <param name="cancellationToken">Checked between blocks.</param>
    public static string OfModel(string path, CancellationToken cancellationToken)
    {
        string folder = Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        IEnumerable<string> files = Directory.Exists(path)
            ? Directory.GetFiles(folder).Where(file => s_modelSuffixes.Any(suffix
                => file.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)))
            : new[] { path, Path.Combine(folder, ResamplerModel.ConfigFileName) }.Where(File.Exists);
        return Of(files, cancellationToken);
    }

    /// <summary>The fingerprint of an ONNX file and of the files with its weights, whose names start with that of the
    /// file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Checked between blocks.</param>
    public static string OfEncoder(string path, CancellationToken cancellationToken)
        => Of(Directory.GetFiles(Path.GetDirectoryName(Path.GetFullPath(path))!, Path.GetFileName(path) + "*"),
            cancellationToken);

    /// <summary>The start of the SHA-256 of the names, lengths and bytes of files.</summary>
    private static string Of(IEnumerable<string> files, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] block = new byte[BlockBytes];
        foreach (string path in files.Order(StringComparer.Ordinal))
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete,
                bufferSize: 0);
            hash.AppendData(Encoding.UTF8.GetBytes($"{Path.GetFileName(path)}\n{file.Length}\n"));
            for (int count; (count = file.Read(block)) > 0;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                hash.AppendData(block, 0, count);
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, ShownBytes));
    }
}
