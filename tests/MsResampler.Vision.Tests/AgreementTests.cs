using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.OnnxRuntime;
using MsResampler.Onnx;
using MsResampler.Safetensors;
using MsResampler.Vision.Tests.Encoding;

namespace MsResampler.Vision.Tests;

/// <summary>All ways from a photo to tokens give the same tokens.</summary>
internal sealed class AgreementTests : TemporaryFolderFixture
{
    [Test]
    public async Task A_small_encoder()
    {
        string encoder = new SmallVit { HasClassToken = true, ChannelCount = 16 }
            .WriteTo(Path.Combine(Folder.Path, "vit"));
        string photo = Path.Combine(Folder.Path, "photo.png");
        File.WriteAllBytes(photo, TestImages.Png(57, 40, 3));
        await Agree(encoder, photo, channelCount: 16);
    }

    [Test]
    public async Task A_trained_encoder_and_a_real_photo()
    {
        string encoder = Path.Combine(Folder.Path, "vit", "resnet.onnx");
        Directory.CreateDirectory(Path.GetDirectoryName(encoder)!);
        File.WriteAllBytes(encoder, ResNet18.BytesOrSkip(ResNet18.MiddleMap));
        File.WriteAllText(Path.Combine(Folder.Path, "vit", "preprocessor_config.json"), """
            {"image_processor_type":"ViTImageProcessor","size":{"height":224,"width":224},"resample":2,
             "do_rescale":false,"do_normalize":false}
            """);
        await Agree(encoder, VisionData.PathOrSkip("chelsea.png"), channelCount: 256);
    }

    private async Task Agree(string encoderPath, string photo, int channelCount)
    {
        string modelPath = Path.Combine(Folder.Path, "model");
        ResamplerConfig config = Configs.Mixed with { VisionHiddenSize = channelCount };
        Directory.CreateDirectory(modelPath);
        RandomModel.Write(modelPath, config, System.Text.Encoding.UTF8.GetBytes(ConfigJson.Of(config)), seed: 5);

        using VisualTokenizer tokenizer = VisualTokenizer.Load(encoderPath, modelPath);
        VisualTokens library = tokenizer.Tokenize(photo);
        float[] expected = library.Tokens.ToArray();

        await using ServiceProvider services = new ServiceCollection().AddMsResampler(options =>
        {
            options.ModelPath = modelPath;
            options.EncoderPath = encoderPath;
        }).BuildServiceProvider();
        GeneratedEmbeddings<VisualTokens> service = await services
            .GetRequiredService<IEmbeddingGenerator<DataContent, VisualTokens>>()
            .GenerateAsync([new DataContent(File.ReadAllBytes(photo), "image/png")]);
        Assert.That(service.Single().Tokens.ToArray(), Is.EqualTo(expected), "the service");

        string file = Path.Combine(Folder.Path, "tokens.safetensors");
        CliRun.Of("run", "--model", modelPath, "--encoder", encoderPath, "--image", photo, "--out", file,
            "--backend", "cpu").Succeeds();
        Assert.That(ReadTensor(file, "tokens"), Is.EqualTo(expected), "run --image");

        string photos = Path.Combine(Folder.Path, "photos");
        Directory.CreateDirectory(photos);
        File.Copy(photo, Path.Combine(photos, "photo.png"));
        string folder = Path.Combine(Folder.Path, "tokens");
        CliRun.Of("run", "--model", modelPath, "--encoder", encoderPath, "--images", photos, "--out", folder,
            "--backend", "cpu").Succeeds();
        using JsonDocument record = JsonDocument.Parse(
            File.ReadAllText(Directory.GetFiles(folder, "*.jsonl").Single()));
        string Field(string name) => record.RootElement.GetProperty(name).GetString()!;
        Assert.That(ReadTensor(Path.Combine(folder, Field("shard")), Field("tensor")), Is.EqualTo(expected),
            "run --images");

        float[] graph = RunGraph(modelPath, tokenizer.Encoder, photo, library.Grid);
        double error = Tolerances.RelativeError(graph, [.. expected.Select(value => (double)value)]);
        Assert.That(error, Is.LessThan(Tolerances.TwoSinglePrecisions), "the exported graph");
    }

    private static float[] ReadTensor(string path, string name)
    {
        using SafetensorsCheckpoint file = SafetensorsCheckpoint.Open(path);
        TensorInfo tensor = file.Find(name) ?? throw new KeyNotFoundException(name);
        float[] values = new float[tensor.ElementCount];
        file.Read(tensor, 0, values);
        return values;
    }

    private static float[] RunGraph(string modelPath, VisionEncoder encoder, string photo, PatchGrid grid)
    {
        using ResamplerModel model = ResamplerModel.Open(modelPath);
        using MemoryStream stream = new();
        OnnxExporter.Write(model, grid, stream);
        using InferenceSession session = new(stream.ToArray());
        using EncodedImages encoded = encoder.Encode(ImageInput.FromFile(photo));
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(encoded.Features(0).ToArray(),
            [1, grid.Rows, grid.Columns, encoder.ChannelCount]);
        using RunOptions run = new();
        using IDisposableReadOnlyCollection<OrtValue> outputs = session.Run(run, [OnnxExporter.InputName], [input],
            [OnnxExporter.OutputName]);
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }
}
