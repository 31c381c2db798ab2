// Prints the tokens of a model and its ONNX graph as hashes, the same for every way of compiling this program.
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using MsResampler;
using MsResampler.Model;
using MsResampler.Onnx;

foreach (Precision precision in new[] { Precision.Float32, Precision.Int8 })
{
    using Resampler resampler = Resampler.Load(args[0], new ResamplerOptions { Precision = precision });
    PatchGrid[] grids = [new(24, 24), new(16, 36)];
    float[] features = new float[grids.Sum(grid => grid.PatchCount) * resampler.Config.VisionHiddenSize];
    for (int index = 0; index < features.Length; index++)
        features[index] = (index * 2_654_435_761L % 1_000_003) / 500_001f - 1f;
    float[] tokens = new float[grids.Length * resampler.Config.QueryGrid.QueryCount * resampler.Config.OutputSize];
    resampler.Resample(features, grids, tokens);
    Console.WriteLine($"{resampler.Description}: {Hash(MemoryMarshal.AsBytes<float>(tokens))}");
}

using ResamplerModel model = ResamplerModel.Open(args[0]);
using MemoryStream graph = new();
OnnxExporter.Write(model, new PatchGrid(24, 24), graph);
Console.WriteLine($"ONNX graph: {Hash(graph.ToArray())}");

static string Hash(ReadOnlySpan<byte> data) => Convert.ToHexString(SHA256.HashData(data));
