using System.Buffers;
using System.Numerics.Tensors;
using System.Reflection;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.ML.OnnxRuntime;
using MsResampler.Kernels;
using MsResampler.Onnx;
using MsResampler.Reference;
using MsResampler.Training;
using MsResampler.Vision;

namespace MsResampler.Tests.House;

/// <summary>The examples of the texts, so that the compiler checks them. <see cref="ReadmeTests"/> compares them with
/// the texts.</summary>
internal static class ReadmeExamples
{
    public static void First()
    {
        using Resampler resampler = Resampler.Load("demo/model");       // config.json and safetensors
        PatchGrid[] grids = [new(24, 24), new(16, 36)];                 // two images with different patch grids
        float[] features = new float[resampler.FeatureLength(grids)];   // from your vision encoder
        float[] tokens = resampler.Resample(features, grids);          // [image, query, channel], row-major

        int firstImageLength = resampler.FeatureLength(grids[0]);
        Explanation explanation = resampler.Explain(features.AsSpan(0, firstImageLength), grids[0]);
        ReadOnlySpan<float> attention = explanation.Attention(scopeIndex: 0, headIndex: 0);   // [query, patch]
        Console.WriteLine($"{tokens.Length} values; query 0 gives patch 0 the weight {attention[0]:F3}");
    }

    public static void Photo()
    {
        using VisualTokenizer tokenizer = VisualTokenizer.Load("vit/model.onnx", "resampler");
        VisualTokens tokens = tokenizer.Tokenize("photo.jpg");   // tokens.Tokens: [query, channel], row-major
        Console.WriteLine($"{tokens.Count} tokens of {tokens.Width} values");
    }

    public static void Grid()
    {
        using VisualTokenizer tokenizer = VisualTokenizer.Load("vit/model.onnx", "resampler");
        VisualTokens tokens = tokenizer.Tokenize("photo.jpg");   // or a stream, or bytes
        Console.WriteLine($"{tokens.Count} tokens of {tokens.Width} values, from {tokens.Grid} patches");
    }

    public static async Task Photos(VisualTokenizer tokenizer)
    {
        IEnumerable<ImageInput> photos = Directory.EnumerateFiles("photos").Select(ImageInput.FromFile);
        await foreach (TokenizationResult result in tokenizer.TryTokenizeAsync(photos))
            Console.WriteLine(result.IsSuccess ? $"{result.Image.Name}: {result.Tokens.Count} tokens"
                : result.Error.Message);
    }

    public static void EncoderOptions()
    {
        VisualTokenizerOptions options = new();
        options.Encoder.CreateSessionOptions = () => SessionOptions.MakeSessionOptionWithCudaProvider(deviceId: 0);
        options.Encoder.OutputName = "hidden_states.22";
    }

    public static void Library(float[] features, PatchGrid[] grids, float[] tokens)
    {
        using Resampler resampler = Resampler.Load("model-folder");
        resampler.Resample(features, grids, tokens);
    }

    public static void Tensors(Resampler resampler, float[] features, ReadOnlyTensorSpan<float> images,
        ReadOnlyTensorSpan<float> image, TensorSpan<float> sequence)
    {
        float[] tokens = resampler.Resample(features, new PatchGrid(24, 24));              // [query, channel]
        Tensor<float> batch = resampler.Resample(images);                                  // [image, query, channel]
        resampler.Resample(image, sequence.Slice(5..(5 + resampler.TokenCount), NRange.All));   // into a sequence
    }

    public static void Integers()
    {
        ResamplerOptions options = new() { Precision = Precision.Int8, Int8Layers = ModelLayers.All };
        using Resampler resampler = Resampler.Load("model-folder", options);
        Console.WriteLine(resampler.Description);
    }

    public static void FramesAndSound(Resampler resampler, float[] features, PatchGrid[] grids, float[] tokens)
    {
        FrameGroups groups = new(grids, temporalIds: [0, 2, 5, -1], frameCounts: [3, 1]);   // 3 frames, 1 image
        resampler.Resample(features, groups, tokens);   // [group, query, channel]

        resampler.Resample(features, [new PatchGrid(1, 1_500)], tokens);   // 1,500 steps of a recording
    }

    public static void Embedded()
    {
        Assembly assembly = Assembly.GetExecutingAssembly();
        using Stream checkpoint = assembly.GetManifestResourceStream("model.safetensors")!;
        using Stream config = assembly.GetManifestResourceStream("config.json")!;
        using Resampler resampler = Resampler.Load(checkpoint, config);
    }

    public static void Gpu()
    {
        using Resampler resampler = Resampler.Load("model-folder",
            new ResamplerOptions { Backend = CudaBackend.Default, Precision = Precision.Float16 });
        resampler.WarmUp([new(24, 24)]);   // optional: the first call with this grid is at full speed
    }

    public static void DeviceMemory(nint features, long featureCount, PatchGrid[] grids, nint tokens, long tokenCount,
        nint stream)
    {
        using Resampler resampler = Resampler.Load("model-folder",
            new ResamplerOptions { Backend = CudaBackend.ForPrimaryContext(0), Precision = Precision.Float16 });
        resampler.Resample(new DeviceTensor(features, featureCount, DeviceElementType.Float16), grids,
            new DeviceTensor(tokens, tokenCount, DeviceElementType.Float16), stream);   // pointers and a CUstream
        resampler.ThrowIfOverflowed();                                                  // waits, then reports
    }

    public static void Onnx()
    {
        using ResamplerModel model = ResamplerModel.Open("model-folder");
        using FileStream file = File.Create("model.onnx");
        OnnxExporter.Write(model, new PatchGrid(24, 24), file);
    }

    public static void Reference(float[] features)
    {
        using ResamplerModel model = ResamplerModel.Open("model-folder");
        ReferenceResampler reference = ReferenceResampler.Load(model);
        double[] tokens = reference.Resample(features, new PatchGrid(24, 24));   // [query, channel], row-major
    }

    public static void Service(HostApplicationBuilder builder)
    {
        builder.Services.AddMsResampler(builder.Configuration.GetSection("MsResampler"));
        builder.Services.AddHealthChecks().AddMsResampler();

        builder.Services.AddMsResampler(options =>
            options.Tokenizer.Resampler = options.Tokenizer.Resampler with { Backend = CudaBackend.Default });

        builder.Services.AddDistributedMemoryCache();
        builder.Services.AddEmbeddingGenerator(services => services.GetRequiredService<VisualTokenizer>())
            .UseDistributedCache(configure: cache => cache.CacheKeyAdditionalValues = ["clip-l-336", "resampler-3"])
            .UseOpenTelemetry();
    }

    public static void Gradients(float[] features, PatchGrid[] grids, Func<float[], float[]> gradientOfLoss)
    {
        TrainableModel model = TrainableModel.Load("student");
        using ResamplerTrainer trainer = new(model);
        float[] tokens = trainer.Forward(features, grids);
        trainer.Backward(gradientOfLoss(tokens));             // adds to the gradient of every tensor of the model
        new AdamW(model.Tensors).Step(1e-3);
        model.Save("trained");
    }

    public static void Training(Func<int, (float[] Features, PatchGrid[] Grids)> nextBatch,
        Func<float[], float[]> gradientOfLoss)
    {
        TrainableModel model = TrainableModel.Load("student").WithLearnedSigmas();
        using ResamplerTrainer trainer = new(model);
        AdamW optimiser = new(model.Tensors);
        CosineSchedule schedule = new(peak: 1e-3, warmupSteps: 100, totalSteps: 2000);
        SigmaLimits limits = new SigmaLimits().Including(model);
        for (int step = 1; step <= 2000; step++)
        {
            (float[] features, PatchGrid[] grids) = nextBatch(step);
            float[] tokens = trainer.Forward(features, grids);   // [image, query, channel], row-major
            float[] gradients = gradientOfLoss(tokens);          // of the same shape
            model.ClearGradients();
            trainer.Backward(gradients);                         // adds to the gradients of all parameters
            GradientNorm.Clip(model.Tensors, limit: 1, step);
            optimiser.Step(schedule.RateAt(step));
            limits.Apply(model);
        }

        model.Save("trained");                                   // for Resampler.Load and the command
    }

    public static void Distilling(TrainableModel model, ResamplerTrainer trainer, SigmaLimits limits, float[] features,
        PatchGrid[] grids, float[] teacherTokens)
    {
        Distillation objective = new(trainer, new DistillationSet(features, grids, teacherTokens));
        TrainingLoop loop = new(model.Tensors, objective, new TrainingOptions
        {
            StepCount = 2000,
            BatchSize = 16,
            WarmupSteps = 100,
            AverageDecay = 0.999,
        }, () => limits.Apply(model));
        if (File.Exists("training.safetensors"))
            loop.Resume("training.safetensors");
        loop.Run(step =>
        {
            if (step.Step % 100 == 0)
                loop.Save("training.safetensors");
        });
    }
}
