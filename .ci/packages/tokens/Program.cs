// Prints the tokens of a model for features and for a photo, its ONNX graph and its queries after two steps of
// training, as hashes: the same for every way of compiling this program. Arguments: encoder, model, photo.
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using MsResampler;
using MsResampler.Model;
using MsResampler.Onnx;
using MsResampler.Training;
using MsResampler.Vision;

foreach (Precision precision in new[] { Precision.Float32, Precision.Int8 })
{
    using Resampler resampler = Resampler.Load(args[1], new ResamplerOptions { Precision = precision });
    PatchGrid[] grids = [new(24, 24), new(16, 36)];
    float[] features = new float[grids.Sum(grid => grid.PatchCount) * resampler.Config.VisionHiddenSize];
    for (int index = 0; index < features.Length; index++)
        features[index] = (index * 2_654_435_761L % 1_000_003) / 500_001f - 1f;
    float[] tokens = new float[grids.Length * resampler.Config.QueryGrid.QueryCount * resampler.Config.OutputSize];
    resampler.Resample(features, grids, tokens);
    Console.WriteLine($"{resampler.Description}: {Hash(MemoryMarshal.AsBytes<float>(tokens))}");
}

using ResamplerModel model = ResamplerModel.Open(args[1]);
using MemoryStream graph = new();
OnnxExporter.Write(model, new PatchGrid(24, 24), graph);
Console.WriteLine($"ONNX graph: {Hash(graph.ToArray())}");

TrainableModel student = TrainableModel.Load(args[1]);
using (ResamplerTrainer trainer = new(student))
{
    PatchGrid[] small = [new(4, 4), new(3, 5)];
    float[] pixels = new float[small.Sum(grid => grid.PatchCount) * student.Config.VisionHiddenSize];
    pixels[5] = 1;
    float[] teacher = new float[small.Length * student.Config.QueryGrid.QueryCount * student.Config.OutputSize];
    teacher[3] = 1;
    TrainingLoop loop = new(student.Tensors, new Distillation(trainer, new DistillationSet(pixels, small, teacher)),
        new TrainingOptions { StepCount = 2, BatchSize = 2 });
    loop.Run();
    Console.WriteLine($"trained query: {Hash(MemoryMarshal.AsBytes(student["query"].Values))}");
}

using ServiceProvider services = new ServiceCollection().AddMsResampler(options =>
{
    (options.EncoderPath, options.ModelPath) = (args[0], args[1]);
    options.Tokenizer.Encoder.Preprocessing = ImagePreprocessing.SigLip;
}).BuildServiceProvider();
VisualTokens photo = services.GetRequiredService<VisualTokenizer>().Tokenize(args[2]);
Console.WriteLine($"photo: {Hash(MemoryMarshal.AsBytes<float>(photo.Tokens.Span))}");

static string Hash(ReadOnlySpan<byte> data) => Convert.ToHexString(SHA256.HashData(data));
