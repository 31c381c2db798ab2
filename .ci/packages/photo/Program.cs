// Turns a photo into tokens: alone, and as a service. Arguments: encoder, model, photo.
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using MsResampler;
using MsResampler.Kernels;
using MsResampler.Vision;

(string encoderPath, string modelPath, string photo) = (args[0], args[1], args[2]);
VisualTokenizerOptions options = new() { Encoder = new() { Preprocessing = ImagePreprocessing.SigLip } };
using VisualTokenizer tokenizer = VisualTokenizer.Load(encoderPath, modelPath, options);
VisualTokens tokens = tokenizer.Tokenize(photo);

// The same from its parts.
using EncodedImages encoded = tokenizer.Encoder.Encode(ImageInput.FromFile(photo));
float[] expected = tokenizer.Resampler.Resample(encoded.Features(0), encoded.Grid);
Check(tokens.Tokens.Span.SequenceEqual(expected), "the tokens are those of the encoder and the resampler");
Check(tokens.Count == tokenizer.Resampler.TokenCount && tokens.Width == tokenizer.Resampler.TokenWidth, "their shape");
Check(expected.All(float.IsFinite) && expected.Distinct().Count() > expected.Length / 2, "their values");

HostApplicationBuilder builder = Host.CreateApplicationBuilder();
builder.Services.AddMsResampler(service =>
    (service.EncoderPath, service.ModelPath, service.Tokenizer) = (encoderPath, modelPath, options));
builder.Services.AddHealthChecks().AddMsResampler();
using IHost host = builder.Build();
await host.StartAsync();
var generator = host.Services.GetRequiredService<IEmbeddingGenerator<DataContent, VisualTokens>>();
VisualTokens embedding = await generator.GenerateAsync(await DataContent.LoadFromAsync(photo));
Check(embedding.Tokens.Span.SequenceEqual(expected), "the tokens of the service");
await host.StopAsync();

Console.WriteLine($"{Path.GetFileName(photo)}: {tokens.Count} tokens of {tokens.Width} values, {tokens.Grid} patches");
Console.WriteLine($"GPU: {(CudaBackend.IsAvailable(out string? reason) ? "usable" : reason)}");

static void Check(bool isRight, string what)
{
    if (!isRight)
        throw new InvalidOperationException($"not as expected: {what}");
}
