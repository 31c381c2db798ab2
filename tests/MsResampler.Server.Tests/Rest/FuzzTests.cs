using System.Text;

namespace MsResampler.Server.Tests.Rest;

/// <summary>Random and changed bodies: each has an answer, and none makes the server fail.</summary>
internal sealed class FuzzTests : RestFixture
{
    private const int RoundCount = 400;

    private static readonly string[] s_parts = ["{", "}", "[", "]", ",", ":", "\"", "null", "true", "1e999", "-1", "0",
        "9223372036854775808", "\"name\"", "\"data\"", "\"shape\"", "\"binary_data_size\"", "\\u0000", "\\ud800", " ",
        "\"features\"", "\"BYTES\"", "\"parameters\":{\"timeout\":1},", "[[[[[[[[[[", "1.5", "\ufeff"];

    [Test]
    public async Task RandomBytesNeverFail([Values(1, 2, 3)] int seed)
    {
        Random random = new(seed);
        for (int round = 0; round < RoundCount; round++)
        {
            byte[] body = new byte[random.Next(1 << random.Next(12))];
            random.NextBytes(body);
            await AssertAnsweredAsync(body, random.Next(2) == 0 ? null : random.Next(body.Length + 1), seed, round);
        }
    }

    [Test]
    public async Task ChangedJsonNeverFails([Values(1, 2, 3)] int seed)
    {
        Random random = new(seed);
        for (int round = 0; round < RoundCount; round++)
            await AssertAnsweredAsync(Change(Encoding.UTF8.GetBytes(Good), random), null, seed, round);
    }

    [Test]
    public async Task ChangedBinaryBodiesNeverFail([Values(1, 2, 3)] int seed)
    {
        byte[] head = Encoding.UTF8.GetBytes("{\"parameters\":{\"binary_data_output\":true},\"inputs\":[{\"name\":"
            + "\"features\",\"shape\":[2,4],\"datatype\":\"FP16\",\"parameters\":{\"binary_data_size\":16}},{\"name\":"
            + "\"grids\",\"shape\":[1,2],\"datatype\":\"INT32\",\"parameters\":{\"binary_data_size\":8}}]}");
        byte[] values = [.. Raw((Half)1, (Half)2, (Half)3, (Half)4, (Half)5, (Half)6, (Half)7, (Half)8), .. Raw(1, 2)];
        Random random = new(seed);
        for (int round = 0; round < RoundCount; round++)
        {
            byte[] changedHead = random.Next(3) > 0 ? Change(head, random) : head;
            byte[] body = [.. changedHead, .. random.Next(3) == 0 ? Change(values, random) : values];
            int jsonLength = random.Next(8) == 0 ? random.Next(body.Length + 2) : changedHead.Length;
            await AssertAnsweredAsync(body, jsonLength, seed, round);
        }
    }

    private async Task AssertAnsweredAsync(byte[] body, int? jsonLength, int seed, int round)
    {
        Answer answer = await SendAsync(body, jsonLength);
        if ((int)answer.Status == 200)
            return;
        string place = $"seed {seed}, round {round}: {answer.Text}";
        bool isDeadline = (int)answer.Status == 503 && answer.Error.Contains("deadline");
        Assert.That((int)answer.Status is 400 or 413 || isDeadline, Is.True, place);
        Assert.That(answer.Error, Is.Not.Empty.And.Not.Contains("   at "), place);
    }

    private static byte[] Change(byte[] body, Random random)
    {
        List<byte> bytes = [.. body];
        for (int change = random.Next(4); change >= 0 && bytes.Count > 0; change--)
        {
            int place = random.Next(bytes.Count);
            int length = random.Next(1, Math.Min(20, bytes.Count - place) + 1);
            switch (random.Next(6))
            {
                case 0:
                    bytes[place] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(place, length);
                    break;
                case 2:
                    bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(place, length));
                    break;
                case 3:
                    bytes.RemoveRange(place, bytes.Count - place);
                    break;
                default:
                    bytes.InsertRange(place, Encoding.UTF8.GetBytes(s_parts[random.Next(s_parts.Length)]));
                    break;
            }
        }

        return [.. bytes];
    }
}
