using System.Runtime.InteropServices;
using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Mutated files of integers and scales: the model opens with finite weights, or the error has a
/// type.</summary>
internal sealed class IntegerFuzzTests : TemporaryFolderFixture
{
    private const int InputCount = 3_000;

    [Test]
    public void Every_mutation_ends_in_finite_weights_or_a_typed_error()
    {
        using TestModel original = new(Configs.Of(Configs.Gaussian(1, 2), Configs.None));
        ModelWriter.WriteIntegers(Folder.Path, original.Model, ModelLayers.Keys | ModelLayers.Gate);
        string path = Folder.File("model.safetensors");
        byte[] valid = File.ReadAllBytes(path);
        int headerLength = 8 + (int)MemoryMarshal.Read<ulong>(valid);
        string[] words = ["I8", "I16", "F32", "U8", "F16", "_scale", "weight", "kv_proj", "24", "12", "[", "]"];
        Random random = new(20261128);
        Dictionary<string, int> outcomes = [];
        for (int input = 0; input < InputCount; input++)
        {
            byte[] bytes = Mutate(random, valid, headerLength, words);
            File.WriteAllBytes(path, bytes);
            string outcome;
            try
            {
                using ResamplerModel model = ResamplerModel.Open(Folder.Path);
                foreach ((string name, _, WeightTensor weight) in IntegerModels.Matrices(model.Weights))
                {
                    Assert.That(weight.ToSingle(), Has.All.Matches<float>(float.IsFinite),
                        $"input {input}: {name}");
                }

                outcome = "success";
            }
            catch (Exception exception) when (exception is SafetensorsException or InvalidModelException)
            {
                outcome = exception.GetType().Name;
            }

            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        TestContext.Out.WriteLine(string.Join(", ", outcomes.Select(pair => $"{pair.Key} {pair.Value}")));
        Assert.That(outcomes.Values, Has.Count.EqualTo(3).And.All.GreaterThan(InputCount / 50));
    }

    /// <summary>Replaces a word of the header by another one of the same length, or bytes of the tensors.</summary>
    private static byte[] Mutate(Random random, byte[] valid, int headerLength, string[] words)
    {
        byte[] bytes = [.. valid];
        for (int edits = random.Next(1, 4); edits > 0; edits--)
        {
            if (random.Next(3) == 0)
            {
                string from = words[random.Next(words.Length)];
                string to = words[random.Next(words.Length)].PadRight(from.Length)[..from.Length];
                int start = random.Next(8, headerLength);
                int found = bytes.AsSpan(start, headerLength - start).IndexOf(Encoding.ASCII.GetBytes(from));
                if (found >= 0)
                    Encoding.ASCII.GetBytes(to).CopyTo(bytes, start + found);
            }
            else
            {
                int place = random.Next(headerLength, bytes.Length);
                bytes[place] = (byte)(random.Next(2) == 0 ? random.Next(256) : 0x80 - random.Next(2));
            }
        }

        return bytes;
    }
}
